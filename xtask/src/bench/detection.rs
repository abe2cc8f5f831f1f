//! What the detector finds on generated logs, what each of its parts is worth, and whether it keeps what its model
//! promised: the same seeds with and without a part, with and without anomalies in the log to learn from.

use std::{env, path::PathBuf, thread};

use anyhow::{Context, Result, ensure};

use crate::pipeline::{Aim, Profile, Scenario, Trainer, Without, quietly};
use crate::report::{Rate, Report};
use crate::shell::{cargo, must};
use crate::table;

/// Seeds that nobody develops with. A seed that was looked at is replaced.
pub(crate) const UNSEEN_SEEDS: [u64; 3] = [7_001, 7_002, 7_003];

const EPISODES_MIN: f64 = 0.99;
const CLEAN: f64 = 0.0;
/// The generator's default.
const CONTAMINATED: f64 = 0.02;
const QUANTILE: Aim = Aim::Quantile(0.999);

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Seeds of the generated logs
    #[arg(long, value_delimiter = ',', default_values_t = UNSEEN_SEEDS)]
    seeds: Vec<u64>,
    /// Only what is promised, without the rows beside it
    #[arg(long)]
    promised: bool,
    /// Data sets of others in this folder instead, beside plain detectors
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// With --data: only these, such as kpi,asd
    #[arg(long, value_name = "NAMES", requires = "data")]
    only: Option<String>,
}

/// A detector on a kind of log.
#[derive(Clone, Copy)]
pub(crate) struct Case {
    scenario: &'static str,
    contamination: f64,
    aim: Aim,
    without: Without,
    /// The least F1, where one is promised.
    f1_min: Option<f64>,
}

const fn case(scenario: &'static str, contamination: f64, aim: Aim, without: Without) -> Case {
    Case { scenario, contamination, aim, without, f1_min: None }
}

const fn promise(scenario: &'static str, aim: Aim, f1_min: f64) -> Case {
    Case { scenario, contamination: CONTAMINATED, aim, without: Without::Nothing, f1_min: Some(f1_min) }
}

/// What a seed that nobody developed with must show.
pub(crate) const PROMISED: [Case; 3] =
    [promise("basic", Aim::Default, 0.985), promise("full", Aim::Default, 0.91), promise("full", QUANTILE, 0.92)];

/// What stands beside it.
const BESIDE: [Case; 14] = [
    case("basic", CONTAMINATED, Aim::Default, Without::Autoencoder),
    case("basic", CONTAMINATED, Aim::Default, Without::Novelty),
    case("basic", CONTAMINATED, Aim::Default, Without::Trimming),
    case("full", CONTAMINATED, Aim::Default, Without::Autoencoder),
    case("full", CONTAMINATED, Aim::Default, Without::Novelty),
    case("full", CONTAMINATED, Aim::Default, Without::Trimming),
    case("full", CONTAMINATED, QUANTILE, Without::Autoencoder),
    case("full", CLEAN, Aim::Default, Without::Nothing),
    case("full", CLEAN, Aim::Default, Without::Autoencoder),
    case("full", CLEAN, QUANTILE, Without::Nothing),
    case("full", CONTAMINATED, Aim::Budget(0.1), Without::Nothing),
    case("full", CONTAMINATED, Aim::Budget(0.1), Without::Autoencoder),
    case("full", CONTAMINATED, Aim::Budget(10.0), Without::Nothing),
    case("full", CONTAMINATED, Aim::Budget(10.0), Without::Autoencoder),
];

/// One case on one seed.
pub(crate) struct Row {
    case: Case,
    seed: u64,
    precision: f64,
    recall: f64,
    f1: f64,
    episode_recall: f64,
    measured: Rate,
    promised: Rate,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    if let Some(data) = &args.data {
        let mut bench = cargo();
        bench.args(["run", "-q", "-p", "oddline-bench", "--", "detection", "--data"]);
        bench.arg(env::current_dir()?.join(data));
        bench.args(args.only.iter().flat_map(|names| ["--only", names]));
        return must(&mut bench);
    }
    let trainer = Trainer::build(Profile::Dev, "bench/detection")?;
    let mut rows = Vec::new();
    let beside = if args.promised { &[] } else { &BESIDE[..] };
    for case in PROMISED.iter().chain(beside) {
        rows.extend(measure(&trainer, case, &args.seeds)?);
    }
    println!("{}", table(&rows));
    Ok(())
}

/// Generates, trains and tests a case on every seed, each in a folder of its own.
pub(crate) fn measure(trainer: &Trainer, case: &Case, seeds: &[u64]) -> Result<Vec<Row>> {
    eprintln!("{}", case.names().join(", "));
    // Training computes on one core.
    thread::scope(|scope| {
        let running: Vec<_> =
            seeds.iter().map(|&seed| scope.spawn(move || measure_seed(trainer, case, seed))).collect();
        running.into_iter().map(|row| row.join().expect("measuring does not panic")).collect()
    })
}

fn measure_seed(trainer: &Trainer, case: &Case, seed: u64) -> Result<Row> {
    let trainer = trainer.in_folder(&format!("seed_{seed}"))?;
    let scenario = Scenario { name: case.scenario, contamination: case.contamination, seed, ..Scenario::WEEK };
    quietly(&mut trainer.generate(&scenario))?;
    quietly(&mut trainer.train(case.aim, case.without))?;
    let file = trainer.dir().join("report.json");
    quietly(&mut trainer.test_to_report(&file))?;
    let report = Report::read(&file)?;
    Ok(Row {
        case: *case,
        seed,
        precision: report.precision()?,
        recall: report.recall()?,
        f1: report.f1()?,
        episode_recall: report.episode_recall()?,
        measured: report.false_per_server_day()?,
        promised: report.promised_per_server_day()?,
    })
}

impl Case {
    /// Scenario, log to learn from, threshold, what is left out.
    fn names(&self) -> [String; 4] {
        let learnt = if self.contamination == CLEAN { "clean".to_owned() } else { format!("{}", self.contamination) };
        let threshold = match self.aim {
            Aim::Default => "budget 1".to_owned(),
            Aim::Budget(budget) => format!("budget {budget}"),
            Aim::Quantile(quantile) => format!("quantile {quantile}"),
        };
        [self.scenario.to_owned(), learnt, threshold, self.without.name().to_owned()]
    }
}

/// Whether a row keeps what is promised of its case.
pub(crate) fn check(row: &Row) -> Result<()> {
    let what = format!("{}, seed {}", row.case.names().join(", "), row.seed);
    let f1_min = row.case.f1_min.with_context(|| format!("{what}: nothing is promised"))?;
    ensure!(row.f1 >= f1_min, "{what}: F1 {:.4}, at least {f1_min} is promised", row.f1);
    let found = row.episode_recall;
    ensure!(found >= EPISODES_MIN, "{what}: {found:.4} of the episodes found, {EPISODES_MIN} are promised");
    let (measured, promised) = (row.measured, row.promised);
    ensure!(
        measured.overlaps(&promised),
        "{what}: {:.2} to {:.2} false episodes a server and day, {:.2} to {:.2} are promised",
        measured.low,
        measured.high,
        promised.low,
        promised.high
    );
    Ok(())
}

pub(crate) fn table(rows: &[Row]) -> String {
    let header = [
        "scenario",
        "anomalies learnt from",
        "threshold",
        "without",
        "seed",
        "precision",
        "recall",
        "F1",
        "episodes found",
        "false/server/day",
        "95 % interval",
        "promised",
        "rate in promised",
    ];
    let mut lines = Vec::new();
    // Rows of a case stand together.
    for of_case in rows.chunk_by(|a, b| a.case.names() == b.case.names()) {
        lines.extend(of_case.iter().map(cells));
        if of_case.len() > 1 {
            lines.push(mean_cells(of_case));
        }
    }
    table::markdown(&header, &lines)
}

fn cells(row: &Row) -> Vec<String> {
    let interval = |rate: &Rate| format!("{:.2}-{:.2}", rate.low, rate.high);
    let within = if row.promised.contains(row.measured.per_day) { "yes" } else { "no" };
    let mut cells = row.case.names().to_vec();
    cells.push(row.seed.to_string());
    cells.extend([row.precision, row.recall, row.f1, row.episode_recall].map(|figure| format!("{figure:.4}")));
    cells.push(format!("{:.2}", row.measured.per_day));
    cells.extend([interval(&row.measured), interval(&row.promised), within.to_owned()]);
    cells
}

fn mean_cells(rows: &[Row]) -> Vec<String> {
    let mean = |figure: fn(&Row) -> f64| rows.iter().map(figure).sum::<f64>() / rows.len() as f64;
    let within = rows.iter().filter(|row| row.promised.contains(row.measured.per_day)).count();
    let figures: [fn(&Row) -> f64; 4] = [|r| r.precision, |r| r.recall, |r| r.f1, |r| r.episode_recall];
    let mut cells = rows[0].case.names().to_vec();
    cells.push("mean".to_owned());
    cells.extend(figures.map(|figure| format!("{:.4}", mean(figure))));
    cells.push(format!("{:.2}", mean(|row| row.measured.per_day)));
    cells.extend(["".to_owned(), "".to_owned(), format!("{within} of {}", rows.len())]);
    cells
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(f1: f64, low: f64, high: f64) -> Row {
        let measured = Rate { per_day: (low + high) / 2.0, low, high };
        let promised = Rate { per_day: 1.0, low: 0.5, high: 2.0 };
        let case = PROMISED[1];
        Row { case, seed: 1, precision: f1, recall: f1, f1, episode_recall: 1.0, measured, promised }
    }

    #[test]
    fn a_promise_is_broken_only_by_what_chance_does_not_explain() {
        assert!(check(&row(0.95, 1.9, 4.0)).is_ok());
        assert!(check(&row(0.95, 2.1, 4.0)).is_err());
        assert!(check(&row(0.95, 0.1, 0.4)).is_err());
        assert!(check(&row(0.90, 0.9, 1.1)).is_err());
    }

    #[test]
    fn a_case_ends_with_its_mean() {
        let text = table(&[row(0.90, 0.9, 1.1), row(0.94, 1.9, 4.0)]);
        let last = text.lines().last().unwrap();
        assert!(last.contains("mean") && last.contains("0.9200") && last.contains("1 of 2"), "{text}");
    }
}
