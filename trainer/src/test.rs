//! Test (being written).
use std::collections::VecDeque;
use std::path::PathBuf;

use anyhow::{Context, Result};
use oddline_detector::{Intake, Judge, Model};

use crate::{
    dataset::Logs,
    evaluate::{metrics::{Evaluation, JudgedRecord}, report},
};

/// Judges unseen logs
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// Logs to judge
    #[arg(long, default_value = "logs/unseen_logs.txt")]
    pub logs: PathBuf,
    /// Model
    #[arg(long, default_value = "models/autoencoder.onnx")]
    pub model: PathBuf,
    /// Scores CSV
    #[arg(long)]
    pub scores: Option<PathBuf>,
    /// Threshold override
    #[arg(long)]
    pub t: Vec<f32>,
}

pub fn run(args: &Args) -> Result<()> {
    let model = Model::open(&std::fs::read(&args.model)?)?;
    let logs = Logs::find(&args.logs)?;
    let kinds = args.logs.with_extension("kinds.csv");
    let kinds: Vec<(String, String, u32)> = std::fs::read_to_string(&kinds).context("kinds")?.lines().skip(1).map(|l| {
        let f: Vec<&str> = l.split(',').collect();
        (format!("{},{},{}", f[0], f[1], f[2]), f[3].to_owned(), f[4].parse().unwrap())
    }).collect();
    let mut kinds = kinds.into_iter().peekable();
    let mut judge = Judge::new(&model)?;
    let base = model.profile.record.threshold.value;
    let ts: Vec<f32> = if args.t.is_empty() { vec![base] } else { args.t.clone() };
    let mut evals: Vec<Evaluation> = ts.iter().map(|_| Evaluation::new(5)).collect();
    let mut queue: VecDeque<(bool, Option<(String, u32)>)> = VecDeque::new();
    let mut out = Vec::new();
    let mut scores = args.scores.as_ref().map(|p| std::io::BufWriter::new(std::fs::File::create(p).unwrap()));
    let mut drain = |out: &mut Vec<oddline_detector::Judged>, queue: &mut VecDeque<(bool, Option<(String, u32)>)>| {
        for j in out.drain(..) {
            let v = &j.verdict;
            let (truth, kind) = queue.pop_front().unwrap();
            for (t, e) in ts.iter().zip(&mut evals) {
                let stream = e.stream(&v.stream.server, &v.stream.component).unwrap();
                e.push(&JudgedRecord { stream, time_us: v.time.micros(), anomalous: truth, kind: kind.as_ref().map(|k| k.0.as_str()), event: kind.as_ref().map(|k| k.1), flagged: v.score.value >= *t, score: v.score.value });
            }
            if let Some(s) = &mut scores {
                use std::io::Write;
                writeln!(s, "{},{},{},{},{},{},{},{:?},{:?}", v.time, v.stream.server, v.stream.component, v.value, u8::from(truth), kind.as_ref().map_or("", |k| k.0.as_str()), v.score.value, v.score.cause, v.vector).unwrap();
            }
        }
    };
    let read = logs.for_each(|item| {
        if let Intake::Judged(_) = judge.push(item.record, item.names, &mut out)? {
            let id = format!("{},{},{}", item.record.time.unwrap(), item.record.server.as_deref().unwrap_or(""), item.record.component.as_deref().unwrap_or(""));
            let kind = kinds.next_if(|k| k.0 == id).map(|k| (k.1, k.2));
            queue.push_back((item.record.anomalous.unwrap_or(false), kind));
        }
        drain(&mut out, &mut queue);
        Ok(())
    })?;
    judge.flush(&mut out)?;
    drain(&mut out, &mut queue);
    drop(drain);
    for (t, e) in ts.iter().zip(evals) {
        let s = e.finish();
        if ts.len() == 1 { println!("{}", report::text(&s)); }
        println!("T {t} P {:.4} R {:.4} F1 {:.4} events {}/{} false/stream-day {:?}", s.precision, s.recall, s.f1, s.events.found, s.events.events, s.episodes.false_per_stream_day);
    }
    println!("{}", read.notes);
    Ok(())
}
