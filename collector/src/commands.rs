//! Each command from its arguments to its answer. They work beside a running collector, on the same database.

use std::{
    collections::BTreeSet,
    io::{self, Write},
    path::Path,
};

use oddline_core::id::FleetName;

use crate::{
    args::{
        AnomaliesArgs, CollectorCli, CollectorCommand, DeadLettersArgs, IncidentsArgs, OutputArgs, PushArgs, ScopeArgs,
        VerdictArgs,
    },
    clock::now_us,
    config::{self, CollectorConfig},
    enroll_commands,
    error::CommandError,
    incidents, ingest, push,
    show::{self, OutputFormat},
    store::{
        AgentKey, AnomalyFilter, AnomalyRow, DatabaseAddress, ID_PREFIX_MIN, ModelFile, OpenMode, ROLLOUT_AGENTS_MAX,
        RolloutTarget, Store, StoredWord as _,
    },
    text::{line, shown},
    time::{TimeArgument, TimeZoneChoice},
};

const ROLLOUTS_MAX: u32 = 20;
/// Dead letters that are shown.
const LETTERS_MAX: u32 = 1_000;
/// Anomalies that incidents are made of, the newest.
const INCIDENT_ANOMALIES_MAX: u32 = 10_000;
const DAY_US: i64 = 86_400_000_000;

/// Does everything but `run`; `out` is where the answer goes.
///
/// # Errors
/// What went wrong, with its exit code.
pub fn answer(cli: &CollectorCli, config: &CollectorConfig, out: &mut impl Write) -> Result<(), CommandError> {
    let Answer { text, hint } = match &cli.command {
        CollectorCommand::Enroll(args) => enroll_commands::enroll(config, args)?.into(),
        CollectorCommand::EnrollBroker { names, out } => enroll_commands::enroll_broker(config, names, out)?.into(),
        CollectorCommand::Revoke { agent } => enroll_commands::revoke(config, agent)?.into(),
        CollectorCommand::Enrolled(output) => enroll_commands::enrolled(config, *output)?.into(),
        CollectorCommand::Push(args) => {
            // Read before: the file is the caller's, the database the collector's.
            let model = push::read(&args.model, args.report.as_deref())?;
            at_home(address(cli, config), || of_store(cli, config, Some(&model)))?
        }
        _ => at_home(address(cli, config), || of_store(cli, config, None))?,
    };
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        // Whoever read it has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
        done => done.map_err(CommandError::Output)?,
    }
    if let Some(hint) = hint {
        remark(&hint);
    }
    Ok(())
}

/// What a command says: to standard output, and below it a hint for people to standard error.
struct Answer {
    text: String,
    hint: Option<String>,
}

impl From<String> for Answer {
    fn from(text: String) -> Self {
        Self { text, hint: None }
    }
}

/// Beside the answer, on standard error: one line, whatever foreign text is in it. Nobody reads standard error: then nobody
/// misses it.
pub fn remark(text: &str) {
    drop(writeln!(io::stderr(), "{}", line(text)));
}

/// Waits for work on a database, with everything that it opens and starts, as the owner of the folder that the database
/// is in.
///
/// # Errors
/// The work's, or when root cannot become the owner.
pub fn at_home<T, F>(store: &DatabaseAddress, work: impl FnOnce() -> F + Send) -> Result<T, CommandError>
where
    T: Send,
    F: Future<Output = Result<T, CommandError>>,
{
    let waited = || {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
        runtime.map_err(CommandError::System)?.block_on(work())
    };
    let folder = match store {
        DatabaseAddress::Sqlite(file) => file.parent().filter(|folder| !folder.as_os_str().is_empty()),
        // Not of this machine's files.
        DatabaseAddress::Postgres(_) => return waited(),
    };
    oddline_owner::of(folder.unwrap_or(Path::new(".")), waited).map_err(CommandError::System)?
}

/// Commands that need the database; `model` is the one to be pushed.
async fn of_store(
    cli: &CollectorCli,
    config: &CollectorConfig,
    model: Option<&ModelFile>,
) -> Result<Answer, CommandError> {
    let store = Store::open(address(cli, config), OpenMode::Use).await?;
    let answer = match &cli.command {
        CollectorCommand::Run
        | CollectorCommand::Enroll(_)
        | CollectorCommand::EnrollBroker { .. }
        | CollectorCommand::Revoke { .. }
        | CollectorCommand::Enrolled(_)
        | CollectorCommand::Pages { .. } => String::new().into(),
        CollectorCommand::Agents(output) => agents(&store, *output).await?.into(),
        CollectorCommand::Anomalies(args) => anomalies(&store, args).await?,
        CollectorCommand::Incidents(args) => incidents(&store, args).await?,
        CollectorCommand::Verdict(args) => verdict(&store, args).await?.into(),
        CollectorCommand::Push(args) => match model {
            Some(model) => push_model(&store, config, model, args).await?.into(),
            None => String::new().into(),
        },
        CollectorCommand::Rollouts(output) => {
            let mut rollouts = Vec::new();
            for rollout in store.rollouts(i64::MAX, ROLLOUTS_MAX).await? {
                let agents = store.rollout_agents(rollout.id, None, ROLLOUT_AGENTS_MAX).await?;
                rollouts.push((rollout, agents));
            }
            let text = show::rollouts::list(&rollouts, output.format(), &zone(*output));
            or_empty(text, rollouts.is_empty(), *output, "no model was pushed yet\n").into()
        }
        CollectorCommand::DeadLetters(DeadLettersArgs::List(output)) => {
            let letters = store.dead_letters(i64::MIN, LETTERS_MAX).await?;
            let text = show::letters::list(&letters, output.format(), &zone(*output));
            or_empty(text, letters.is_empty(), *output, "no dead letters\n").into()
        }
        CollectorCommand::DeadLetters(DeadLettersArgs::Retry) => {
            let done = store.retry(ingest::entries, now_us()).await?;
            let batches = if done.letters == 1 { "batch" } else { "batches" };
            let entries = if done.entries == 1 { "entry" } else { "entries" };
            format!(
                "{} {batches} with {} {entries} stored, {} still cannot be read\n",
                done.letters, done.entries, done.left
            )
            .into()
        }
        CollectorCommand::Backup { file } => {
            store.backup(file).await?;
            format!("{} written\n", file.display()).into()
        }
    };
    store.close().await;
    Ok(answer)
}

/// The configuration, with what was typed laid over it.
pub fn configured(cli: &CollectorCli) -> Result<CollectorConfig, CommandError> {
    let mut config = config::read(cli.config.as_deref())?;
    if let Some(store) = &cli.store {
        config.store = store.clone();
    }
    Ok(config)
}

fn address<'a>(cli: &'a CollectorCli, config: &'a CollectorConfig) -> &'a DatabaseAddress {
    cli.store.as_ref().unwrap_or(&config.store)
}

fn zone(output: OutputArgs) -> TimeZoneChoice {
    if output.local { TimeZoneChoice::local() } else { TimeZoneChoice::utc() }
}

/// People are told in words that there is nothing; programs get an empty list.
fn or_empty(text: String, is_empty: bool, output: OutputArgs, words: &str) -> String {
    if is_empty && output.format() == OutputFormat::Table { words.to_owned() } else { text }
}

async fn agents(store: &Store, output: OutputArgs) -> Result<String, CommandError> {
    let now_us = now_us();
    let agents = store.agents().await?;
    let counts = store.anomaly_counts(now_us - DAY_US).await?;
    let counts = counts.into_iter().map(|(fleet, agent, count)| ((fleet, agent), count)).collect();
    let text = show::agents::list(&agents, &counts, output.format(), &zone(output), now_us);
    Ok(or_empty(text, agents.is_empty(), output, "no agents yet\n"))
}

async fn anomalies(store: &Store, args: &AnomaliesArgs) -> Result<Answer, CommandError> {
    let zone = zone(args.output);
    if let Some(id) = &args.id {
        let anomaly = one(store, id).await?;
        let text = match args.output.format() {
            OutputFormat::Table => show::anomalies::detail(&anomaly, &store.verdicts(&anomaly.id).await?, &zone),
            OutputFormat::Json => show::json(&show::anomalies::json(&anomaly, &zone)),
            OutputFormat::Csv => show::anomalies::list(&[anomaly], OutputFormat::Csv, &zone),
        };
        return Ok(text.into());
    }
    let AnomaliesArgs { scope, component, kind, min_score, .. } = args;
    let filter =
        AnomalyFilter { component: component.clone(), kind: *kind, min_score: *min_score, ..scoped(scope, &zone)? };
    let page = store.anomalies(&filter, None, args.limit).await?;
    if page.anomalies.is_empty() {
        check_names(store, scope, component.as_ref()).await?;
    }
    let count = page.anomalies.len();
    let hint = page.next.map(|_| newest(count));
    let text = show::anomalies::list(&page.anomalies, args.output.format(), &zone);
    let words = none_of("anomalies", scope, filter.since_us, &zone);
    Ok(Answer { text: or_empty(text, count == 0, args.output, &words), hint })
}

async fn incidents(store: &Store, args: &IncidentsArgs) -> Result<Answer, CommandError> {
    let IncidentsArgs { scope, limit, output } = args;
    let zone = zone(*output);
    let filter = scoped(scope, &zone)?;
    let page = store.anomalies(&filter, None, INCIDENT_ANOMALIES_MAX).await?;
    if page.anomalies.is_empty() {
        check_names(store, scope, None).await?;
    }
    let mut incidents = incidents::grouped(&page.anomalies);
    let is_all = page.next.is_none() && incidents.len() <= *limit as usize;
    incidents.truncate(*limit as usize);
    let hint = (!is_all).then(|| newest(incidents.len()));
    let text = show::incidents::list(&incidents, output.format(), &zone);
    let words = none_of("incidents", scope, filter.since_us, &zone);
    Ok(Answer { text: or_empty(text, incidents.is_empty(), *output, &words), hint })
}

/// Anomalies of a place and a time.
fn scoped(scope: &ScopeArgs, zone: &TimeZoneChoice) -> Result<AnomalyFilter, CommandError> {
    let now_us = now_us();
    let since_us = scope.since.resolve(now_us, zone);
    // What servers with a clock that is ahead have found is shown, unless a time was named.
    let until_us = scope.until.as_ref().map_or(i64::MAX, |until| until.resolve(now_us, zone));
    if until_us <= since_us {
        return Err(CommandError::Name("--until is not after --since".to_owned()));
    }
    let ScopeArgs { server, agent, .. } = scope;
    Ok(AnomalyFilter {
        since_us,
        until_us,
        server: server.clone(),
        component: None,
        kind: None,
        min_score: None,
        agent: agent.clone(),
        fleet: None,
    })
}

/// What a list that leaves some out says beneath.
fn newest(count: usize) -> String {
    format!("the newest {count}; more with --limit, older ones with --until")
}

fn none_of(what: &str, scope: &ScopeArgs, since_us: i64, zone: &TimeZoneChoice) -> String {
    match &scope.since {
        TimeArgument::Ago(_) | TimeArgument::Day(_) => format!("no {what} since {} {zone}\n", zone.show(since_us)),
        TimeArgument::At(_) | TimeArgument::Local(_) => format!("no {what} in that time\n"),
    }
}

/// An empty answer because of a name that never occurred is a mistake, not an answer.
async fn check_names(store: &Store, scope: &ScopeArgs, component: Option<&String>) -> Result<(), CommandError> {
    let agents = || async {
        let agents = store.agents().await?;
        Ok::<Vec<String>, CommandError>(agents.into_iter().map(|agent| agent.who.agent.to_string()).collect())
    };
    for (what, name) in [("server", scope.server.as_ref()), ("component", component), ("agent", scope.agent.as_ref())] {
        let Some(name) = name else { continue };
        let known = match what {
            "server" => store.servers().await?,
            "component" => store.components().await?,
            _ => agents().await?,
        };
        if !known.contains(name) && !known.is_empty() {
            let hint = oddline_config::closest(name, known.iter().map(String::as_str));
            let hint = hint.map(|hint| format!("; did you mean {hint:?}?")).unwrap_or_default();
            let kind = if what == "agent" { "is known" } else { "has ever had an anomaly" };
            return Err(CommandError::Name(format!("no {what} {name:?} {kind}{hint}")));
        }
    }
    Ok(())
}

async fn verdict(store: &Store, args: &VerdictArgs) -> Result<String, CommandError> {
    let anomaly = one(store, &args.id).await?;
    let author = std::env::var("SUDO_USER").or_else(|_| std::env::var("USER")).ok();
    store.judge(&anomaly.id, args.verdict, args.note.as_deref(), author.as_deref(), now_us()).await?;
    Ok(format!("{}: {}\n", shown(&format!("{} {}", anomaly.server, anomaly.component)), args.verdict.as_str()))
}

/// The one anomaly whose id begins so.
async fn one(store: &Store, id: &str) -> Result<AnomalyRow, CommandError> {
    let mut found = store.anomaly(id).await?;
    match (found.pop(), found.pop()) {
        (Some(one), None) => Ok(one),
        (Some(_), Some(_)) => Err(CommandError::Name(format!("several ids begin with {id:?}: say more of it"))),
        (None, _) => Err(CommandError::Name(format!(
            "no anomaly has the id {id:?}; ids are in the last column of `anomalies`, {ID_PREFIX_MIN} characters are enough"
        ))),
    }
}

async fn push_model(
    store: &Store,
    config: &CollectorConfig,
    model: &ModelFile,
    args: &PushArgs,
) -> Result<String, CommandError> {
    let known: Vec<AgentKey> = store.agents().await?.into_iter().map(|agent| agent.who).collect();
    let target = if args.to == ["all"] {
        let fleets: BTreeSet<FleetName> = match &args.fleet {
            Some(fleet) => BTreeSet::from([fleet.clone()]),
            None => known.iter().map(|who| who.fleet.clone()).chain(config.fleets.iter().cloned()).collect(),
        };
        if fleets.is_empty() {
            return Err(CommandError::Name("no agent is known yet: name the fleet with --fleet".to_owned()));
        }
        RolloutTarget::Everyone(fleets.into_iter().collect())
    } else {
        push::agents(&args.to, &known).map_err(|error| CommandError::Name(error.to_string()))?
    };
    let earlier = store.models(None, 1).await?;
    if let Some(newest) =
        earlier.first().filter(|newest| newest.version.unsigned_abs() >= model.version && newest.sha256 != model.sha256)
    {
        remark(&format!(
            "note: version {} was pushed before; agents that have seen it will refuse version {}",
            newest.version, model.version
        ));
    }
    let rollouts = store.push(model, &target, now_us()).await?;
    let rollouts = rollouts.iter().map(|id| format!("roll-out {id}")).collect::<Vec<_>>().join(", ");
    let to = match &target {
        RolloutTarget::Everyone(fleets) => {
            let fleets: Vec<&str> = fleets.iter().map(FleetName::as_str).collect();
            format!("everyone in {}", fleets.join(", "))
        }
        RolloutTarget::Agents(agents) => agents.iter().map(AgentKey::to_string).collect::<Vec<_>>().join(", "),
    };
    let short = show::short_hash(model.sha256);
    Ok(format!("model {} ({short}) for {to}: {rollouts}; see `oddline-collector rollouts`\n", model.version))
}
