//! Judges a log as the product does and writes what went into the model and what came out of it, so that another
//! runtime can be asked the same (`check.py --inputs --residuals`).

use std::error::Error;
use std::io::{BufWriter, Write};
use std::{env, fs, process::ExitCode};

use oddline_core::format::{Context, csv::Csv};
use oddline_detector::{DefaultNames, Judge, OpenModel};

/// A comparison of more records takes longer and finds nothing new.
const RECORDS_MAX: usize = 50_000;

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let args: Vec<_> = env::args_os().skip(1).collect();
    let [model, log, inputs, residuals] = &args[..] else {
        eprintln!("usage: residuals MODEL LOG.csv INPUTS.csv RESIDUALS.csv");
        return Ok(ExitCode::from(2));
    };
    let mut judge = Judge::new(&OpenModel::open(&fs::read(model)?)?)?;
    let log = fs::read_to_string(log)?;
    let mut lines = log.lines();
    let csv = Csv::from_header(lines.next().ok_or("the log is empty")?)?;
    let names = DefaultNames { server: "server", component: "value" };
    let mut judged = Vec::new();
    for line in lines.take(RECORDS_MAX) {
        judge.push(&csv.parse(line, &Context::default()), names, &mut judged)?;
    }
    judge.flush(&mut judged)?;

    let mut inputs = BufWriter::new(fs::File::create(inputs)?);
    let mut outputs = BufWriter::new(fs::File::create(residuals)?);
    // Where no curve is known yet there was no vector to infer from.
    for verdict in judged.iter().map(|j| &j.verdict).filter(|v| v.expected.is_some()) {
        write_row(&mut inputs, &verdict.vector)?;
        write_row(&mut outputs, &verdict.residual)?;
    }
    inputs.flush()?;
    outputs.flush()?;
    Ok(ExitCode::SUCCESS)
}

/// The shortest digits that give the same number back.
fn write_row(to: &mut impl Write, row: &[f32]) -> std::io::Result<()> {
    let cells: Vec<String> = row.iter().map(f32::to_string).collect();
    writeln!(to, "{}", cells.join(","))
}
