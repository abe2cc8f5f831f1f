//! Each foreign library has one importer per crate, so that replacing it is a change to that file. The table names the
//! libraries worth guarding; a folder ends with `/`.

use crate::sources;

struct Importer {
    folder: &'static str,
    library: &'static str,
    files: &'static [&'static str],
}

#[rustfmt::skip]
const IMPORTERS: &[Importer] = &[
    Importer { folder: "core", library: "jiff", files: &["time.rs"] },
    Importer { folder: "core", library: "csv_core", files: &["format/separated.rs"] },
    Importer { folder: "core", library: "heapless", files: &["budget/stream.rs", "format/date_order.rs", "format/separated.rs", "stream/recurrence.rs"] },
    Importer { folder: "core", library: "hashbrown", files: &["activity/", "stream/"] },
    Importer { folder: "core", library: "crc32fast", files: &["seal.rs", "wire/batch.rs"] },
    Importer { folder: "config", library: "toml", files: &["layer.rs", "tree.rs"] },
    Importer { folder: "detector", library: "tract_onnx", files: &["infer.rs", "graph.rs"] },
    Importer { folder: "trainer", library: "burn", files: &["network.rs", "fit.rs"] },
    Importer { folder: "trainer", library: "plotters", files: &["chart/"] },
    Importer { folder: "trainer", library: "flate2", files: &["dataset/input.rs"] },
    Importer { folder: "trainer", library: "prost", files: &["export/"] },
    Importer { folder: "trainer", library: "indicatif", files: &["fit.rs"] },
    Importer { folder: "trainer", library: "minisign", files: &["sign.rs"] },
    Importer { folder: "owner", library: "rustix", files: &["lib.rs"] },
    Importer { folder: "cli", library: "clap_mangen", files: &["pages.rs"] },
    Importer { folder: "cli", library: "clap_complete", files: &["pages.rs"] },
    Importer { folder: "link", library: "rumqttc", files: &["client.rs", "session/"] },
    Importer { folder: "link", library: "rustls", files: &["tls.rs", "session/mod.rs"] },
    Importer { folder: "agent", library: "redb", files: &["state/store.rs"] },
    Importer { folder: "agent", library: "hyper", files: &["control.rs"] },
    Importer { folder: "agent", library: "hyper_util", files: &["control.rs"] },
    Importer { folder: "agent", library: "http_body_util", files: &["control.rs"] },
    Importer { folder: "cli", library: "sd_notify", files: &["notify.rs"] },
    Importer { folder: "agent", library: "minisign_verify", files: &["model/verify.rs"] },
    Importer { folder: "agent", library: "minisign", files: &["model/verify.rs"] },
    Importer { folder: "agent", library: "sha2", files: &["model/verify.rs"] },
    Importer { folder: "agent", library: "glob", files: &["source/pattern.rs"] },
    Importer { folder: "collector", library: "rmqtt", files: &["broker/"] },
    Importer { folder: "collector", library: "nix", files: &["broker/strangers.rs"] },
    Importer { folder: "collector", library: "sqlx", files: &["store/"] },
    Importer { folder: "collector", library: "axum", files: &["serve/"] },
    Importer { folder: "collector", library: "rcgen", files: &["enroll/certificate.rs"] },
    Importer { folder: "collector", library: "jiff", files: &["time.rs"] },
    Importer { folder: "collector", library: "futures_util", files: &["serve/live.rs"] },
];

#[test]
fn a_library_is_imported_where_the_table_says() {
    let mut wrong = Vec::new();
    for source in sources::all().iter().filter(|source| source.is_rust()) {
        for importer in IMPORTERS {
            let Some(file) = source.path.strip_prefix(&format!("{}/src/", importer.folder)) else {
                continue;
            };
            if allowed(importer, file) {
                continue;
            }
            for (number, line) in source.text.lines().enumerate() {
                if uses(line, importer.library) {
                    wrong.push(format!("{}:{}: {}", source.path, number + 1, line.trim()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "keep the library behind its importer, or change the table:\n  {}", wrong.join("\n  "));
}

fn allowed(importer: &Importer, file: &str) -> bool {
    importer.files.iter().any(|allowed| {
        let module = allowed.strip_suffix('/').map(|folder| format!("{folder}.rs"));
        file == *allowed || module.as_deref() == Some(file) || (allowed.ends_with('/') && file.starts_with(allowed))
    })
}

/// Whether a line of code, not a comment, names the library's paths.
fn uses(line: &str, library: &str) -> bool {
    let code = line.split("//").next().unwrap_or_default();
    code.match_indices(library).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        let after = &code[at + library.len()..];
        let starts = before.is_none_or(|c| !(c.is_alphanumeric() || "_:.".contains(c)));
        let in_path = after.starts_with("::");
        let in_use = code.trim_start().starts_with("use ") || code.contains(" use ");
        starts && (in_path || (in_use && after.starts_with([';', ' ', ','])))
    })
}

#[test]
fn what_counts_as_using_a_library() {
    assert!(uses("use burn::prelude::*;", "burn"));
    assert!(uses("pub use burn;", "burn"));
    assert!(uses("let x: burn::Tensor = y;", "burn"));
    assert!(!uses("// burn::Tensor stays in here", "burn"));
    assert!(!uses("use crate::burn::x;", "burn"));
    assert!(!uses("use burn_onnx::x;", "burn"));
    assert!(!uses("let sunburn = 1;", "burn"));
}
