//! What the committed model says of records, pinned: a change of a feature, of the score or of the runtime shows here.
//! `ODDLINE_PIN=1` writes the file anew.

use std::{env, fmt::Write as _, fs, path::PathBuf};

use crate::fixture::{judge_all, unseen};

/// Processors differ in the last bits of a sum.
const TOLERANCE: f32 = 1e-5;
/// Every so manieth verdict is in the file.
const STEP: usize = 41;

#[test]
fn scores_are_what_they_were() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/scores.csv");
    let (judged, _) = judge_all(&unseen());
    let picked: Vec<_> = judged.iter().step_by(STEP).map(|j| &j.verdict).collect();
    if env::var_os("ODDLINE_PIN").is_some() {
        let mut text = "number,score,anomalous,learning\n".to_owned();
        for v in &picked {
            let (odd, learning) = (u8::from(v.anomalous), u8::from(v.learning));
            writeln!(text, "{},{},{odd},{learning}", v.number, v.score.value).unwrap();
        }
        fs::write(&path, text).unwrap();
    }
    let text = fs::read_to_string(&path).unwrap();
    let lines: Vec<Vec<&str>> = text.lines().skip(1).map(|line| line.split(',').collect()).collect();
    assert_eq!(lines.len(), picked.len());
    for (line, v) in lines.iter().zip(&picked) {
        let [number, score, odd, learning] = line[..] else { panic!("{line:?}") };
        let score: f32 = score.parse().unwrap();
        assert_eq!((number, learning == "1"), (v.number.to_string().as_str(), v.learning));
        assert!((score - v.score.value).abs() <= TOLERANCE * score.max(1.0), "record {number}: {}", v.score.value);
        let near = (score - v.threshold).abs() < 1e-4;
        assert!(near || (odd == "1") == v.anomalous, "record {number} at {score}");
    }
    assert!(lines.iter().any(|line| line[2] == "1") && lines.iter().any(|line| line[2] == "0"));
}
