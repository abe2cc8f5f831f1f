//! The first week of an agent whose model knows none of its streams: how many episodes a day it tells, of what, and how
//! soon it finds planted faults. Lines go the way of an agent's source, silence and rates included.

use std::{
    collections::{BTreeMap, HashMap},
    fs,
    path::PathBuf,
    sync::Arc,
};

use anyhow::{Context, Result};
use oddline_cli::table::aligned;
use oddline_core::{
    event::{Event, Finite, words::reason_with_value},
    format::{LogFormat, TimeOptions},
    readings::ValueSelection,
    time::EventTime,
};
use oddline_pipeline::{Pipeline, PipelineOutput, SourceOptions, Unredacted};
use oddline_trainer::{calibrate::ThresholdTarget, generate::CurveShape, train::TrainingRecipe};

use crate::{
    data::{
        generator,
        week::{DAYS, ServerWeek, day_of, faults::PlantedFault},
    },
    detectors::oddline,
};

const SERVER: &str = "host";
/// Episodes an hour that travel one by one, as in an agent without a setting.
const FLOOD_LIMIT: u32 = 60;
/// An episode that begins so long after a fault's end, in its streams, is the end of it and not a false one.
const AFTERMATH_S: f64 = 2.0 * 3_600.0;
/// Found within so long after the end still counts: a silence, a slow feature.
const LATE_S: f64 = 300.0;
/// Streams named of a day, and reasons listed.
const NAMED: usize = 3;
const REASONS: usize = 12;

/// The first week of an agent without a fitting model, on a mixed load with twelve planted faults
#[derive(clap::Args)]
pub(crate) struct Args {
    /// A folder with the data sets kpi, asd and nab, whose recordings stand beside the made-up metrics
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Seed of what is made up
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Episodes a day that the model was made for
    #[arg(long, value_name = "N", default_value_t = 1.0)]
    pub asked: f64,
    /// Epochs at most
    #[arg(long, value_name = "N", default_value_t = 40)]
    pub epochs: usize,
    /// Write the week's log too, for replay and explain of an agent
    #[arg(long, value_name = "FILE")]
    pub log: Option<PathBuf>,
    /// Write each episode too, as a table: time, stream, reason, whether it is of a fault
    #[arg(long, value_name = "FILE")]
    pub told: Option<PathBuf>,
}

/// An episode as it was told.
struct ToldEpisode {
    time: EventTime,
    component: String,
    reason: String,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    println!("{}", report(args)?);
    Ok(())
}

/// What is printed.
///
/// # Errors
/// When the data cannot be read or no model can be made.
pub(crate) fn report(args: &Args) -> Result<String> {
    let week = ServerWeek::new(args.seed, args.data.as_deref())?;
    let recipe =
        TrainingRecipe { aim: ThresholdTarget::Budget(args.asked), seed: 1, epochs: args.epochs, without: None };
    let model = oddline::fit(&generator::generate(CurveShape::Full, generator::SEEDS[0])?.series, &recipe)?;
    let options = SourceOptions {
        format: LogFormat::Csv,
        server: SERVER.to_owned(),
        component: SERVER.to_owned(),
        values: ValueSelection::default(),
        times: TimeOptions::default(),
        redactor: Arc::new(Unredacted),
        flood_limit: FLOOD_LIMIT,
    };
    let mut pipeline = Pipeline::new("week", options, &model, None)?;
    let (mut out, mut told, mut held_back) = (PipelineOutput::default(), Vec::new(), [0; DAYS]);
    let log = week.log();
    if let Some(file) = &args.log {
        fs::write(file, &log).with_context(|| file.display().to_string())?;
    }
    for line in log.lines() {
        pipeline.line(line.as_bytes(), None, &mut out)?;
        take(&mut out, &mut told, &mut held_back);
    }
    pipeline.finish(&mut out)?;
    take(&mut out, &mut told, &mut held_back);
    let heading = format!(
        "The first week: an agent with the generator's model, {} a day asked for, on {} streams that the model does not \
         know: {} made up (seed {}), {} recorded; {} records",
        args.asked,
        week.streams.len(),
        week.made_up,
        args.seed,
        week.streams.len() - week.made_up,
        week.rows.len(),
    );
    let of_faults = attributed(&week.faults, &told);
    if let Some(file) = &args.told {
        fs::write(file, episodes(&told, &of_faults)).with_context(|| file.display().to_string())?;
    }
    let tables = [days(&told, &of_faults, &held_back), faults(&week.faults, &told), reasons(&told, &of_faults)];
    Ok(format!("{heading}\n\n{}", tables.join("\n\n")))
}

fn take(out: &mut PipelineOutput, told: &mut Vec<ToldEpisode>, held_back: &mut [u64; DAYS]) {
    for event in out.events.drain(..) {
        match event {
            Event::EpisodeOpened(e) => {
                let expected = e.expected.map(Finite::<f64>::get);
                let reason = reason_with_value(&e.main_reason, e.value.get(), expected);
                told.push(ToldEpisode { time: e.first, component: e.component.to_string(), reason });
            }
            Event::Silence(s) => {
                let (silent, usual) = (s.until.seconds_since(s.last), s.usual_s.get());
                let reason = format!("silent for {silent:.0} s, usually at most {usual:.0} s");
                told.push(ToldEpisode { time: s.until, component: s.component.to_string(), reason });
            }
            Event::FloodSummary(summary) => held_back[day_of(summary.from)] += summary.suppressed,
            _ => {}
        }
    }
}

/// Which episodes are of a fault.
fn attributed(faults: &[PlantedFault], told: &[ToldEpisode]) -> Vec<bool> {
    let is_of = |fault: &PlantedFault, told: &ToldEpisode| {
        let until = fault.window.end.plus_seconds(AFTERMATH_S);
        shows(fault, told) && (fault.window.start..=until).contains(&told.time)
    };
    told.iter().map(|told| faults.iter().any(|fault| is_of(fault, told))).collect()
}

/// Whether it is told of a stream that the fault shows in; a server's silence is of all.
fn shows(fault: &PlantedFault, told: &ToldEpisode) -> bool {
    told.component.is_empty() || fault.kind.streams().contains(&told.component.as_str())
}

fn episodes(told: &[ToldEpisode], of_faults: &[bool]) -> String {
    let line = |(told, of_fault): (&ToldEpisode, &bool)| {
        format!("{},{},\"{}\",{of_fault}\n", told.time, told.component, told.reason.replace('"', "'"))
    };
    core::iter::once("time,component,reason,of_fault\n".to_owned())
        .chain(told.iter().zip(of_faults).map(line))
        .collect()
}

fn days(told: &[ToldEpisode], of_faults: &[bool], held_back: &[u64; DAYS]) -> String {
    let heading = ["day", "episodes", "of faults", "others", "held back", "streams of the others"];
    let mut lines = vec![heading.map(str::to_owned).to_vec()];
    let (mut all, mut all_others) = (0, 0);
    for (day, held_back) in held_back.iter().enumerate() {
        let today = || told.iter().zip(of_faults).filter(|(told, _)| day_of(told.time) == day);
        let mut others: HashMap<&str, usize> = HashMap::new();
        today().filter(|(_, of_fault)| !**of_fault).for_each(|(t, _)| *others.entry(&t.component).or_default() += 1);
        let (episodes, false_) = (today().count(), others.values().sum::<usize>());
        let mut named: Vec<(&str, usize)> = others.into_iter().collect();
        named.sort_by_key(|(name, count)| (core::cmp::Reverse(*count), *name));
        let more = if named.len() > NAMED { ", ..." } else { "" };
        let named: Vec<String> = named.iter().take(NAMED).map(|(name, count)| format!("{name} {count}")).collect();
        let numbers = [day + 1, episodes, episodes - false_, false_].map(|n| n.to_string());
        lines.push([numbers.as_slice(), &[held_back.to_string(), named.join(", ") + more]].concat());
        (all, all_others) = (all + episodes, all_others + false_);
    }
    let table = aligned(&lines, |column| column < 5).join("\n");
    format!("{table}\n{:.1} episodes a day, {:.1} of them others", per_day(all), per_day(all_others))
}

fn per_day(count: usize) -> f64 {
    count as f64 / DAYS as f64
}

fn faults(faults: &[PlantedFault], told: &[ToldEpisode]) -> String {
    let mut lines = vec![["fault", "begins", "lasts", "found after", "stream", "reason"].map(str::to_owned).to_vec()];
    let mut found = 0;
    for fault in faults {
        let until = fault.window.end.plus_seconds(LATE_S);
        let first = told.iter().filter(|told| shows(fault, told) && (fault.window.start..=until).contains(&told.time));
        let first = first.min_by_key(|told| told.time);
        found += usize::from(first.is_some());
        let minutes = |to: EventTime| format!("{:.0} min", to.seconds_since(fault.window.start) / 60.0);
        let (after, stream, reason) = match first {
            Some(told) => (minutes(told.time), told.component.clone(), told.reason.clone()),
            None => ("not found".to_owned(), fault.kind.streams().join(", "), String::new()),
        };
        let begins = fault.window.start.to_string();
        lines.push(vec![fault.kind.name().to_owned(), begins, minutes(fault.window.end), after, stream, reason]);
    }
    format!("{}\n{found} of {} faults found", aligned(&lines, |_| false).join("\n"), faults.len())
}

/// Streams with the most other episodes, each with the reason of its first.
fn reasons(told: &[ToldEpisode], of_faults: &[bool]) -> String {
    let mut streams: BTreeMap<&str, Vec<&ToldEpisode>> = BTreeMap::new();
    for (told, _) in told.iter().zip(of_faults).filter(|(_, of_fault)| !**of_fault) {
        streams.entry(&told.component).or_default().push(told);
    }
    let mut streams: Vec<(&str, Vec<&ToldEpisode>)> = streams.into_iter().collect();
    streams.sort_by_key(|(_, told)| core::cmp::Reverse(told.len()));
    let heading = ["others of", "episodes", "the first at", "its reason"].map(str::to_owned).to_vec();
    let line = |(stream, told): &(&str, Vec<&ToldEpisode>)| {
        vec![(*stream).to_owned(), told.len().to_string(), told[0].time.to_string(), told[0].reason.clone()]
    };
    let lines: Vec<Vec<String>> = core::iter::once(heading).chain(streams.iter().take(REASONS).map(line)).collect();
    aligned(&lines, |column| column == 1).join("\n")
}
