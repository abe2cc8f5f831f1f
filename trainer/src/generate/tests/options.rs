//! From the command line to the settings, and from there to files.

use clap::Parser;

use super::*;

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    args: Args,
}

fn parse(options: &[&str]) -> Args {
    let line = std::iter::once("generate").chain(options.iter().copied());
    Cli::try_parse_from(line).map_err(|error| error.to_string()).unwrap().args
}

#[test]
fn no_options_mean_the_default_scenario() {
    let args = parse(&[]);
    assert_eq!(args.scenario().unwrap(), Scenario::default());
    assert_eq!(args.out, PathBuf::from("logs"));
    let basic = parse(&["--scenario", "basic"]).scenario().unwrap();
    assert_eq!((basic.shape, basic.anomaly_rate), (CurveShape::Basic, 0.1));
    let one = parse(&["--only-server", "server-02"]).scenario().unwrap();
    assert_eq!(one.servers, 2..3);
}

#[test]
fn all_wrong_options_are_named_at_once() {
    let wrong = [
        ("--servers", "0"),
        ("--days", "0"),
        ("--test-days", "0"),
        ("--period-s", "0"),
        ("--anomaly-rate", "0.6"),
        ("--contamination", "NaN"),
        ("--only-server", "server-09"),
        ("--speed", "0"),
        ("--for-s", "-1"),
    ];
    let line: Vec<String> = wrong.iter().map(|(option, value)| format!("{option}={value}")).collect();
    let line: Vec<&str> = line.iter().map(String::as_str).chain(["--live"]).collect();
    let error = parse(&line).scenario().unwrap_err();
    let bad = error.downcast_ref::<ScenarioError>().unwrap().to_string();
    // A live log has no days of its own.
    for (option, _) in wrong.iter().filter(|(option, _)| !option.ends_with("days")) {
        assert!(bad.contains(option), "{option}: {bad}");
    }
    let days = parse(&["--days=0", "--test-days=0"]).scenario().unwrap_err().to_string();
    assert!(days.contains("--days must") && days.contains("--test-days must"), "{days}");
}

#[test]
fn a_summary_counts_what_was_written() {
    let folder = tempfile::tempdir().unwrap();
    let mut args = parse(&["--days=1", "--test-days=1", "--servers=1"]);
    args.out = folder.path().join("new/logs");
    let report = generate(&args).unwrap();
    let log = fs::read_to_string(&report.logs[1].path).unwrap();
    assert_eq!(log.lines().count() as u64, report.logs[1].records + 1);
    let labelled = log.lines().filter(|line| line.ends_with(",1")).count();
    assert_eq!(labelled as u64, report.logs[1].anomalous);
    let kinds = fs::read_to_string(args.out.join("unseen_logs.kinds.csv")).unwrap();
    assert_eq!(kinds.lines().filter(|line| line.ends_with(",1")).count(), labelled);
    assert!(report.to_string().contains("unseen_logs.kinds.csv"), "{report}");
}

#[test]
fn a_folder_that_cannot_be_is_named_with_advice() {
    let folder = tempfile::tempdir().unwrap();
    let mut args = parse(&[]);
    args.out = folder.path().join("file");
    fs::write(&args.out, "").unwrap();
    let error = generate(&args).unwrap_err();
    let text = format!("{error:#}");
    assert!(text.contains("file") && text.contains("--out"), "{text}");
    assert!(error.downcast_ref::<std::io::Error>().is_some());
}
