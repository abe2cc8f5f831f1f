//! A folder of `timestamp,value` files, fitted on the first part of each and judged on the rest against labelled windows.

use std::fmt::Write;

use serde_json::json;

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
    let plain = |minute| time(minute).trim_end_matches('Z').replace('T', " ");
    let windows = json!({
        "cloud/cpu_a.csv": [],
        "cloud/cpu_b.csv": [[plain(ODD.start - 20), plain(ODD.end + 20)]],
        "cloud/net_c.csv": [],
    });
    folder.write("windows.json", windows.to_string());
}

#[test]
fn streams_of_others_with_labelled_windows() {
    let folder = Folder::new();
    write_streams(&folder);
    let trained = folder.must(&format!("{TRAIN} --logs cloud --train-part 0.4 --json")).json();
    assert_eq!(trained["streams"], 3);
    folder.must(&format!("{TRAIN} --logs cloud --train-part 0.4 --without autoencoder --model plain.onnx"));
    let options = "test --logs cloud --skip-part 0.4 --labels windows.json --beside plain.onnx --scores scores.csv";
    let done = folder.must(options);
    for word in ["cpu_a", "cpu_b", "net_c", "Oddline", "No autoencoder", "Windowed Gaussian"] {
        assert!(done.stdout.contains(word), "{word}\n{}", done.stdout);
    }
    assert!(folder.files().contains("charts/streams.png"));
    let scores = folder.text("scores.csv");
    let judged: Vec<&str> = scores.lines().skip(1).collect();
    assert_eq!(judged.len(), 3 * RECORDS * 6 / 10, "the first part is followed, not judged");
    assert!(judged.iter().all(|l| l.contains(",cloud,")), "the folder is the server");
    let anomalies = folder.text("logs/anomalies.csv");
    let in_window = anomalies.lines().filter(|l| l.contains(",cpu_b,") && *l >= time(ODD.start).as_str()).count();
    assert!(in_window >= ODD.len() / 2, "the plateau is found: {in_window}");
    let report = folder.must(&format!("{options} --json")).json();
    assert!(report["windows"].to_string().contains("cpu_b"), "{report}");
}

#[test]
fn labels_that_do_not_fit() {
    let folder = Folder::new();
    write_streams(&folder);
    folder.must(&format!("{TRAIN} --logs cloud --train-part 0.4"));
    let test = |labels: &str| {
        folder.write("wrong.json", labels);
        folder.run("test --logs cloud --skip-part 0.4 --labels wrong.json")
    };
    test("{").refused(65, &["wrong.json"]);
    test(r#"{"cloud/cpu_a.csv": [["2026-02-01 00:00:00", "yesterday"]]}"#).refused(65, &["wrong.json", "yesterday"]);
    test("{}").refused(65, &["cpu_a"]);
    folder.run("test --logs cloud --skip-part 0.4 --labels none.json").refused(74, &["none.json"]);
}
