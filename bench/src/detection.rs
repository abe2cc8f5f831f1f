//! What the detector is worth on data that nobody made for it: false episodes beside those asked for, average precision,
//! and labelled stretches found at one false episode a day; beside plain detectors on the same records.

use std::{fs, path::PathBuf, thread};

use anyhow::{Context, Result};
use oddline_cli::table::aligned;
use oddline_trainer::{
    calibrate::ThresholdTarget,
    dataset::{InputLogs, ReadOptions},
    evaluate::poisson::PoissonRate,
    train::TrainingRecipe,
};

use crate::{
    data::{LabelledSeries, asd, kpi, nab, pi, server_days},
    detectors::{StreamJudgement, oddline, plain::PlainDetector},
    metrics::ranking::{average_precision, runs_found},
};

/// Budgets asked for, false episodes per server and day.
const ASKED: [f64; 3] = [0.25, 1.0, 4.0];
/// The budget whose scores are ranked.
const RANKED: f64 = 1.0;
/// The share of a NAB stream that is probation.
const PROBATION: f64 = 0.15;
const PRODUCT: &str = "Oddline";

/// False episodes and rankings on several data sets, beside plain detectors
#[derive(clap::Args)]
pub(crate) struct Args {
    /// A folder with a folder each of the data sets kpi, asd and nab
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Only these
    #[arg(long, value_name = "NAME", value_delimiter = ',', value_enum)]
    only: Vec<DataSet>,
    /// Epochs at most
    #[arg(long, value_name = "N", default_value_t = 40)]
    epochs: usize,
    /// Write the table as CSV too
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
}

#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
enum DataSet {
    Kpi,
    Asd,
    Nab,
    Pi,
}

impl DataSet {
    const ALL: [Self; 4] = [Self::Kpi, Self::Asd, Self::Nab, Self::Pi];
}

/// Streams that one model is learnt from, and what of them counts.
struct Group {
    series: Vec<LabelledSeries>,
    /// Records from here on, counted from the first judged, are ranked; those before are only counted. `None`: the same
    /// records are both.
    ranked_from: Option<usize>,
}

/// A detector's figures on one group at one budget.
#[derive(Default, Clone)]
struct GroupFigures {
    false_episodes: u64,
    days: f64,
    precision: Option<f64>,
    /// Average precision of how many streams are odd at once.
    precision_of_counts: Option<f64>,
    /// Labelled stretches found at one false episode a day, and all.
    found: (usize, usize),
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let mut lines =
        vec![["data", "detector", "asked", "got a day (95 %)", "AP", "recall at 1 a day"].map(str::to_owned)];
    for set in DataSet::ALL {
        if args.only.is_empty() || args.only.contains(&set) {
            lines.extend(rows(args, set)?);
        }
    }
    let text: Vec<Vec<String>> = lines.iter().map(|line| line.to_vec()).collect();
    println!("{}", aligned(&text, |column| column > 1).join("\n"));
    if let Some(file) = &args.csv {
        let text: String = lines.iter().map(|line| line.join(",") + "\n").collect();
        fs::write(file, text).with_context(|| file.display().to_string())?;
    }
    Ok(())
}

fn groups(args: &Args, set: DataSet) -> Result<Vec<Group>> {
    let alone = |series: Vec<LabelledSeries>| Group { series, ranked_from: None };
    Ok(match set {
        DataSet::Kpi => kpi::read(&args.data.join("kpi"))?.into_iter().map(|series| alone(vec![series])).collect(),
        DataSet::Asd => {
            let group = |server: asd::Server| {
                let ranked_from = server.series.first().map(|series| server.normal - series.learnt);
                Group { series: server.series, ranked_from }
            };
            asd::read(&args.data.join("asd"))?.into_iter().map(group).collect()
        }
        DataSet::Nab => {
            let folder = args.data.join("nab");
            let mut folders = Vec::new();
            for entry in fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
                let entry = entry?.path();
                folders.extend(entry.is_dir().then(|| entry.to_string_lossy().into_owned()));
            }
            folders.sort();
            let logs = InputLogs::find(&folders, ReadOptions::default())?;
            let mut series = nab::read(&logs, &folder.join("windows.json"), PROBATION)?;
            // Each stream is a server of its own.
            for of in &mut series {
                of.name.server = format!("{}-{}", of.name.server, of.name.component);
            }
            vec![alone(series)]
        }
        DataSet::Pi => vec![alone(pi::generate(1))],
    })
}

fn rows(args: &Args, set: DataSet) -> Result<Vec<[String; 6]>> {
    let groups = groups(args, set)?;
    let name = format!("{set:?}").to_lowercase();
    let mut lines = Vec::new();
    for asked in ASKED {
        let recipe =
            TrainingRecipe { aim: ThresholdTarget::Budget(asked), seed: 1, epochs: args.epochs, without: None };
        let product = |group: &Group| oddline::judge(&group.series, &oddline::fit(&group.series, &recipe)?);
        let of_product = of_groups(&groups, set, &product)?;
        let is_learnt: Vec<bool> = of_product.iter().map(Option::is_some).collect();
        lines.extend(row(&name, PRODUCT, asked, &of_product.into_iter().flatten().collect::<Vec<_>>()));
        for plain in PlainDetector::ALL {
            let figures = of_groups(&groups, set, &|group: &Group| Ok(plain.judge(&group.series, asked)))?;
            // The same groups for all.
            let figures = figures.into_iter().zip(&is_learnt).filter_map(|(of, learnt)| of.filter(|_| *learnt));
            lines.extend(row(&name, plain.name(), asked, &figures.collect::<Vec<_>>()));
        }
    }
    Ok(lines)
}

type JudgeGroup<'a> = &'a (dyn Fn(&Group) -> Result<Vec<StreamJudgement>> + Sync);

/// Two halves at a time; a group that cannot be learnt from is left out and named.
fn of_groups(groups: &[Group], set: DataSet, judge: JudgeGroup<'_>) -> Result<Vec<Option<GroupFigures>>> {
    let half = |groups: &[Group]| -> Vec<Option<GroupFigures>> {
        let one = |group: &Group| match judge(group) {
            Ok(judged) => Some(figures(group, set, &judged)),
            Err(error) => {
                let name = group.series.first().map(|series| series.name.server.clone()).unwrap_or_default();
                eprintln!("left out: {name}: {error:#}");
                None
            }
        };
        groups.iter().map(one).collect()
    };
    let (left, right) = groups.split_at(groups.len() / 2);
    thread::scope(|scope| {
        let left = scope.spawn(|| half(left));
        let right = half(right);
        let mut all = left.join().map_err(|_| anyhow::anyhow!("a thread ended early"))?;
        all.extend(right);
        Ok(all)
    })
}

fn figures(group: &Group, set: DataSet, judged: &[StreamJudgement]) -> GroupFigures {
    let mut figures = GroupFigures::default();
    let end = |series: &LabelledSeries| group.ranked_from.unwrap_or(series.values.len() - series.learnt);
    let labels: Vec<Vec<bool>> = group.series.iter().map(LabelledSeries::labels).collect();
    // Of the production series only those without a label say what a quiet one costs.
    if set != DataSet::Kpi || !labels.iter().flatten().any(|label| *label) {
        for ((of, labels), series) in judged.iter().zip(&labels).zip(&group.series) {
            let opened = of.opened.iter().zip(labels).take(end(series));
            figures.false_episodes += opened.filter(|(opened, label)| **opened && !**label).count() as u64;
        }
        figures.days = server_days(&group.series, |series| series.learnt..series.learnt + end(series));
        if set == DataSet::Nab {
            let share = |labels: &Vec<bool>| labels.iter().filter(|label| !**label).count() as f64;
            let all: usize = labels.iter().map(Vec::len).sum();
            figures.days *= labels.iter().map(share).sum::<f64>() / all.max(1) as f64;
        }
    }
    if matches!(set, DataSet::Kpi | DataSet::Asd) {
        let from = group.ranked_from.unwrap_or(0);
        let records = judged.iter().map(|of| of.scores.len()).min().unwrap_or(0);
        let largest = |at: usize| judged.iter().map(|of| of.scores[at]).fold(f64::MIN, f64::max);
        let odd = |at: usize| judged.iter().filter(|of| of.odd[at]).count() as f64;
        let scores: Vec<f64> = (from..records).map(largest).collect();
        let labels = &labels[0][from..records];
        figures.precision = average_precision(&scores, labels);
        let counts: Vec<f64> = (from..records).map(odd).collect();
        figures.precision_of_counts = average_precision(&counts, labels).filter(|_| judged.len() > 1);
        let days = server_days(&group.series, |series| series.learnt + from..series.values.len());
        figures.found = runs_found(&scores, labels, days);
    }
    figures
}

fn row(data: &str, detector: &str, asked: f64, figures: &[GroupFigures]) -> Vec<[String; 6]> {
    let none = || "-".to_owned();
    let count = figures.iter().map(|of| of.false_episodes).sum();
    let rate = PoissonRate::new(count, figures.iter().map(|of| of.days).sum());
    let got = match (rate.per_day, rate.low, rate.high) {
        (Some(rate), Some(low), Some(high)) => format!("{rate:.2} ({low:.2} to {high:.2})"),
        _ => none(),
    };
    let mean = |of: fn(&GroupFigures) -> Option<f64>| {
        let all: Vec<f64> = figures.iter().filter_map(of).collect();
        if all.is_empty() { none() } else { format!("{:.3}", all.iter().sum::<f64>() / all.len() as f64) }
    };
    let is_ranked = asked == RANKED;
    let (found, runs) = figures.iter().fold((0, 0), |sum, of| (sum.0 + of.found.0, sum.1 + of.found.1));
    let recall = if runs == 0 || !is_ranked { none() } else { format!("{:.3}", found as f64 / runs as f64) };
    let precision = if is_ranked { mean(|of| of.precision) } else { none() };
    let mut rows = vec![[data.to_owned(), detector.to_owned(), asked.to_string(), got, precision, recall]];
    let counts = mean(|of| of.precision_of_counts);
    if is_ranked && counts != none() {
        rows.push([data.to_owned(), format!("{detector}, odd at once"), asked.to_string(), none(), counts, none()]);
    }
    rows
}
