//! A folder of `timestamp,value` files, fitted on the first part of each and judged on the rest.

use std::fmt::Write;

use crate::shell::{Folder, TRAIN, time, wobble};

const RECORDS: usize = 4_000;
/// A plateau in the judged part of the second file.
const ODD: std::ops::Range<usize> = 3_000..3_060;

fn write_streams(folder: &Folder) {
    for (name, level) in [("cpu_a", 50.0), ("cpu_b", 20.0), ("net_c", 900.0)] {
        let mut text = "timestamp,value\n".to_owned();
        for i in 0..RECORDS {
            let odd = name == "cpu_b" && ODD.contains(&i);
            let value = level + level / 10.0 * (wobble(i) + if odd { 30.0 } else { 0.0 });
            writeln!(text, "{},{value}", time(i).trim_end_matches('Z').replace('T', " ")).unwrap();
        }
        folder.write(&format!("cloud/{name}.csv"), text);
    }
}

#[test]
fn streams_are_judged_after_the_part_learnt_from() {
    let folder = Folder::new();
    write_streams(&folder);
    let trained = folder.must(&format!("{TRAIN} --logs cloud --train-part 0.4 --json")).json();
    assert_eq!(trained["streams"], 3);
    folder.must("test --logs cloud --skip-part 0.4 --scores scores.csv");
    let scores = folder.text("scores.csv");
    let judged: Vec<&str> = scores.lines().skip(1).collect();
    assert_eq!(judged.len(), 3 * RECORDS * 6 / 10, "the first part is followed, not judged");
    assert!(judged.iter().all(|l| l.contains(",cloud,")), "the folder is the server");
    let anomalies = folder.text("logs/anomalies.csv");
    let in_window = anomalies.lines().filter(|l| l.contains(",cpu_b,") && *l >= time(ODD.start).as_str()).count();
    assert!(in_window >= ODD.len() / 2, "the plateau is found: {in_window}");
}
