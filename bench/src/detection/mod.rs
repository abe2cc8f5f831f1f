//! What the detector is worth on data that nobody made for it, and on its own generator: false episodes beside those
//! asked for, average precision, labelled stretches found at one false episode a day, F1; beside plain detectors and the
//! detector without one of its parts, on the same records.

mod figures;
mod sets;
mod table;

use std::{
    collections::BTreeMap,
    fs,
    path::PathBuf,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use anyhow::{Context, Result};
use oddline_cli::table::aligned;
use oddline_trainer::{
    calibrate::ThresholdTarget,
    train::{AblatedPart, TrainingRecipe, check_budget, check_epochs},
};

use self::{
    figures::{GroupFigures, figures},
    sets::{DataSet, Group, groups},
};
use crate::{
    detectors::{StreamJudgement, oddline, plain::PlainDetector, windows},
    first_week,
};

/// The budget whose scores are ranked, and at which the detector is tried without one of its parts.
const RANKED: f64 = 1.0;

/// False episodes and rankings on several data sets, beside plain detectors; without --only the first week too
#[derive(clap::Args)]
pub(crate) struct Args {
    /// A folder with a folder each of the data sets kpi, asd, nab and services; those made up need none
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Only these
    #[arg(long, value_name = "NAME", value_delimiter = ',', value_enum)]
    only: Vec<DataSet>,
    /// Budgets asked for: false episodes per server and day; at 1 the parts of the detector are left out in turn
    #[arg(long, value_name = "N", value_delimiter = ',', default_values_t = [0.25, 1.0, 4.0])]
    asked: Vec<f64>,
    /// Seed of the sets that are made up, but for the generator's, which are many
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Epochs at most
    #[arg(long, value_name = "N", default_value_t = 40)]
    epochs: usize,
    /// Write the table as CSV too
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
}

/// A group and a budget: what one model is made for.
struct ComparisonJob<'a> {
    set: DataSet,
    asked: f64,
    group: &'a Group,
}

/// What each detector is worth, in the order of the table; the error of a group that no model can be learnt from.
type ComparedGroup = Result<Vec<(&'static str, GroupFigures)>>;

pub(crate) fn run(args: &Args) -> Result<()> {
    check_epochs(args.epochs)?;
    args.asked.iter().try_for_each(|asked| check_budget(*asked))?;
    let wanted = DataSet::ALL.into_iter().filter(|set| args.only.is_empty() || args.only.contains(set));
    let read = |set| Ok((set, groups(args.data.as_deref(), args.seed, set)?));
    let sets: Vec<(DataSet, Vec<Group>)> = wanted.map(read).collect::<Result<_>>()?;
    let mut jobs = Vec::new();
    for (set, groups) in &sets {
        for asked in &args.asked {
            jobs.extend(groups.iter().map(|group| ComparisonJob { set: *set, asked: *asked, group }));
        }
    }
    let compared = in_parallel(&jobs, |job| compare(job, args.epochs));
    let mut lines = vec![table::heading()];
    for (jobs, compared) in runs(&jobs, &compared) {
        let learnt: Vec<_> = compared.iter().filter_map(|group| group.as_ref().ok()).collect();
        for at in 0..learnt.first().map_or(0, |detectors| detectors.len()) {
            let of_groups: Vec<&GroupFigures> = learnt.iter().map(|detectors| &detectors[at].1).collect();
            lines.extend(table::rows(&jobs[0].set.name(), learnt[0][at].0, jobs[0].asked, &of_groups));
        }
    }
    let text: Vec<Vec<String>> = lines.iter().map(|line| line.to_vec()).collect();
    println!("{}", aligned(&text, |column| (2..10).contains(&column)).join("\n"));
    for (name, why) in left_out(&jobs, &compared) {
        println!("left out of every row, because the product does not learn from it: {name}: {why}");
    }
    if args.only.is_empty() {
        let Args { data, seed, epochs, .. } = args;
        let week =
            first_week::Args { data: data.clone(), seed: *seed, asked: RANKED, epochs: *epochs, log: None, told: None };
        println!("\n{}", first_week::report(&week)?);
    }
    if let Some(file) = &args.csv {
        let text: String = lines.iter().map(|line| line.join(",") + "\n").collect();
        fs::write(file, text).with_context(|| file.display().to_string())?;
    }
    Ok(())
}

/// Jobs of one data set and budget, which stand together.
fn runs<'a, 'j>(
    jobs: &'a [ComparisonJob<'j>],
    compared: &'a [ComparedGroup],
) -> impl Iterator<Item = (&'a [ComparisonJob<'j>], &'a [ComparedGroup])> {
    let mut from = 0;
    jobs.chunk_by(|a, b| a.set == b.set && a.asked == b.asked).map(move |jobs| {
        let compared = &compared[from..from + jobs.len()];
        from += jobs.len();
        (jobs, compared)
    })
}

/// Groups that no model can be learnt from, each once with the reason.
fn left_out(jobs: &[ComparisonJob<'_>], compared: &[ComparedGroup]) -> BTreeMap<String, String> {
    let name = |job: &ComparisonJob<'_>| {
        let server = job.group.series.first().map_or("", |series| &series.name.server);
        format!("{}/{server}", job.set.name())
    };
    let failed = jobs.iter().zip(compared).filter_map(|(job, group)| Some((name(job), group.as_ref().err()?)));
    failed.map(|(name, why)| (name, format!("{why:#}"))).collect()
}

/// Results in the order of the jobs, whichever core did them.
fn in_parallel<J: Sync, R: Send>(jobs: &[J], work: impl Fn(&J) -> R + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let some = || {
        let mut done = Vec::new();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(job) = jobs.get(at) else { return done };
            done.push((at, work(job)));
        }
    };
    let cores = thread::available_parallelism().map_or(1, usize::from).min(jobs.len());
    let mut all: Vec<(usize, R)> = thread::scope(|scope| {
        let running: Vec<_> = (0..cores).map(|_| scope.spawn(some)).collect();
        running.into_iter().flat_map(|one| one.join().expect("judging does not panic")).collect()
    });
    all.sort_by_key(|(at, _)| *at);
    all.into_iter().map(|(_, result)| result).collect()
}

fn compare(job: &ComparisonJob<'_>, epochs: usize) -> ComparedGroup {
    let ComparisonJob { set, asked, group } = *job;
    let series = &group.series;
    let fit = |without| {
        let recipe = TrainingRecipe { aim: ThresholdTarget::Budget(asked), seed: 1, epochs, without };
        oddline::fit(series, &recipe)
    };
    let whole = fit(None)?;
    let mut judged: Vec<(&str, Vec<StreamJudgement>)> = vec![("Oddline", oddline::judge(series, &whole)?)];
    if asked == RANKED {
        for (name, part) in [("no autoencoder", AblatedPart::Autoencoder), ("no characters", AblatedPart::Characters)] {
            judged.push((name, oddline::judge(series, &fit(Some(part)).context(name)?)?));
        }
        judged.push(("no controller", oddline::judge(series, &oddline::with_fixed_threshold(&whole))?));
    }
    if set == DataSet::Asd {
        let joint = windows::judge(series, &whole, asked)?;
        judged.extend(joint.into_iter().map(|(name, of_server)| (name, vec![of_server])));
    }
    judged.extend(PlainDetector::ALL.map(|plain| (plain.name(), plain.judge(series, asked))));
    judged.into_iter().map(|(name, judged)| Ok((name, figures(group, set, &judged)?))).collect()
}
