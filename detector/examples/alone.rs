//! What judging alone costs: `alone MODEL LOG` reads the records of a CSV log into memory, judges them, and prints the
//! CPU-seconds of the judging per million of them.

#![expect(clippy::disallowed_macros, reason = "a program of a few lines that prints one number")]

use std::{env, error::Error, fs, process::ExitCode};

use oddline_core::{
    format::{Context, LogFormat, Parser},
    record::Record,
};
use oddline_detector::{DefaultNames, Judge, OpenModel};

/// The kernel's clock tick.
const TICKS_PER_S: f64 = 100.0;

fn main() -> ExitCode {
    let mut arguments = env::args().skip(1);
    let (Some(model), Some(log)) = (arguments.next(), arguments.next()) else {
        eprintln!("usage: alone MODEL LOG");
        return ExitCode::from(2);
    };
    match measure(&model, &log) {
        Ok(seconds) => {
            println!("{seconds}");
            ExitCode::SUCCESS
        }
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a count of records")]
fn measure(model: &str, log: &str) -> Result<f64, Box<dyn Error>> {
    let model = OpenModel::open(&fs::read(model)?)?;
    let text = fs::read_to_string(log)?;
    let mut parser = Parser::new(LogFormat::Csv);
    let context = Context::default();
    let records: Vec<Record<'static>> = text
        .lines()
        .filter_map(|line| parser.parse(line.as_bytes(), &context).record().map(Record::into_owned))
        .collect();
    let mut judge = Judge::new(&model)?;
    let (mut judged, names) = (Vec::new(), DefaultNames { server: "server", component: "-" });
    let before = cpu_s()?;
    for record in &records {
        judge.push(record, names, &mut judged)?;
        judged.clear();
    }
    judge.flush(&mut judged)?;
    Ok((cpu_s()? - before) * 1e6 / records.len() as f64)
}

fn cpu_s() -> Result<f64, Box<dyn Error>> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    let fields: Vec<&str> = stat.rsplit_once(')').ok_or("a line of /proc/self/stat")?.1.split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok()).ok_or("a number of ticks");
    Ok((ticks(11)? + ticks(12)?) / TICKS_PER_S)
}
