//! What may depend on what: one line per crate, checked against what cargo says. Arrows only point down, and a heavy
//! library stays under the crate that is about it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::shell;

struct Rule {
    package: &'static str,
    /// The project's own crates it may name, in tests as well. Tests may also name the test kit.
    uses: &'static [&'static str],
    /// Libraries that must not be anywhere under it; `x*` is every name that starts with x.
    never: &'static [&'static [&'static str]],
}

const TRACT: &[&str] = &["tract*"];
const BURN: &[&str] = &["burn*", "cubecl*"];
const ASYNC: &[&str] = &["tokio*", "async-std", "smol", "async-executor"];
const MQTT: &[&str] = &["rumqtt*", "rmqtt*", "paho*", "mqtt*"];
const SQL: &[&str] = &["sqlx*", "rusqlite", "libsqlite3-sys", "diesel*", "tokio-postgres", "redb"];
const TESTKIT_NAME: &str = "oddline-testkit";
/// Who may be built with it, being no part of what is shipped.
const UNSHIPPED: &[&str] = &[TESTKIT_NAME, "oddline-e2e", "xtask"];
const WEB: &[&str] = &["axum*", "hyper*", "actix*", "warp", "reqwest", "ureq", "rustls", "openssl*"];

#[rustfmt::skip]
const RULES: &[Rule] = &[
    Rule { package: "oddline-core", uses: &[], never: &[TRACT, BURN, ASYNC, MQTT, SQL, WEB] },
    Rule { package: "oddline-detector", uses: &["oddline-core"], never: &[BURN, ASYNC, MQTT, SQL, WEB] },
    Rule { package: "oddline-pipeline", uses: &["oddline-core", "oddline-detector"], never: &[BURN, ASYNC, MQTT, SQL, WEB] },
    Rule { package: "oddline-config", uses: &[], never: &[TRACT, BURN, ASYNC, MQTT, SQL, WEB] },
    Rule { package: "oddline-link", uses: &["oddline-core"], never: &[TRACT, BURN, SQL, &["axum*", "hyper*"]] },
    Rule { package: "oddline-owner", uses: &[], never: &[TRACT, BURN, ASYNC, MQTT, SQL, WEB] },
    Rule { package: "oddline-logging", uses: &["oddline-core"], never: &[TRACT, BURN, ASYNC, MQTT, SQL, WEB] },
    Rule { package: "oddline-cli", uses: &[], never: &[TRACT, BURN, ASYNC, MQTT, SQL, WEB] },
    Rule { package: TESTKIT_NAME, uses: &[], never: &[TRACT, BURN, MQTT, SQL, WEB] },
    Rule { package: "oddline-agent", uses: &["oddline-core", "oddline-config", "oddline-link", "oddline-logging", "oddline-owner", "oddline-cli", "oddline-detector", "oddline-pipeline"], never: &[BURN, &["sqlx*", "axum*"]] },
    Rule { package: "oddline-collector", uses: &["oddline-core", "oddline-config", "oddline-link", "oddline-logging", "oddline-owner", "oddline-cli"], never: &[TRACT, BURN] },
    Rule { package: "oddline-trainer", uses: &["oddline-core", "oddline-config", "oddline-logging", "oddline-cli", "oddline-detector", "oddline-pipeline"], never: &[MQTT, SQL, WEB] },
    Rule { package: "oddline-bench", uses: &["oddline-core", "oddline-cli", "oddline-detector", "oddline-pipeline", "oddline-trainer"], never: &[MQTT, SQL, WEB] },
    Rule { package: "oddline-e2e", uses: &["oddline-core", "oddline-detector", "oddline-link", "oddline-agent", "oddline-collector"], never: &[] },
    Rule { package: "oddline-fuzz", uses: &["oddline-core", "oddline-config", "oddline-detector", "oddline-pipeline", "oddline-agent", "oddline-collector"], never: &[] },
    Rule { package: "xtask", uses: &[], never: &[TRACT, BURN, ASYNC, MQTT, SQL, WEB] },
];

#[test]
fn arrows_point_down() {
    let workspace = Workspace::read(&shell::metadata(&["--locked"]).unwrap());
    let mut wrong = own_arrows(&workspace);
    for rule in RULES {
        if workspace.has(rule.package) {
            wrong.extend(heavy_libraries(rule, &tree(rule.package)));
        } else {
            wrong.push(format!(
                "{}: the table in arrows.rs has a line for it, and there is no such crate",
                rule.package
            ));
        }
    }
    assert!(wrong.is_empty(), "arrows that must not be:\n  {}", wrong.join("\n  "));
}

/// The project's crates by name, with the project's crates that each names.
struct Workspace(BTreeMap<String, BTreeSet<String>>);

impl Workspace {
    fn read(metadata: &Value) -> Self {
        let list = |value: &Value| value.as_array().cloned().expect("cargo metadata lists these");
        let text = |value: &Value| value.as_str().expect("ids and names are strings").to_owned();
        let members = list(&metadata["workspace_members"]);
        let packages: Vec<Value> =
            list(&metadata["packages"]).into_iter().filter(|package| members.contains(&package["id"])).collect();
        let names: BTreeSet<String> = packages.iter().map(|package| text(&package["name"])).collect();
        let named = |package: &Value| -> BTreeSet<String> {
            let all = list(&package["dependencies"]).into_iter();
            all.map(|dependency| text(&dependency["name"])).filter(|name| names.contains(name)).collect()
        };
        Self(packages.iter().map(|package| (text(&package["name"]), named(package))).collect())
    }

    fn has(&self, package: &str) -> bool {
        self.0.contains_key(package)
    }
}

/// Arrows between our crates that the table does not have, and crates that it does not know.
fn own_arrows(workspace: &Workspace) -> Vec<String> {
    let mut wrong = Vec::new();
    for (name, named) in &workspace.0 {
        let Some(rule) = RULES.iter().find(|rule| rule.package == name) else {
            wrong.push(format!("{name}: the table in arrows.rs has no line for it"));
            continue;
        };
        let up = named.iter().filter(|to| *to != TESTKIT_NAME && !rule.uses.contains(&to.as_str()));
        wrong.extend(up.map(|to| format!("{name} -> {to}")));
    }
    wrong
}

/// What is compiled for a crate, as `cargo tree` draws it: a depth before every name.
///
/// `cargo metadata` has a graph too, but of everything the lock file knows: there Burn's unused GPU back ends bring a
/// web client to the trainer. The tree knows the features that are on.
fn tree(package: &str) -> String {
    let mut command = shell::cargo();
    command.args(["tree", "--locked", "--edges", "no-dev", "--prefix", "depth", "--package", package]);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Every forbidden library in a tree, with one way to it.
fn heavy_libraries(rule: &Rule, tree: &str) -> BTreeSet<String> {
    let mut wrong = BTreeSet::new();
    let mut path: Vec<&str> = Vec::new();
    for line in tree.lines() {
        let digits = line.len() - line.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let Ok(depth) = line[..digits].parse::<usize>() else {
            continue;
        };
        let name = line[digits..].split(' ').next().unwrap_or_default();
        path.truncate(depth);
        path.push(name);
        let is_misplaced = name == TESTKIT_NAME && !UNSHIPPED.contains(&rule.package);
        if is_misplaced || rule.never.iter().copied().flatten().any(|ban| is_banned(name, ban)) {
            wrong.insert(path.join(" -> "));
        }
    }
    wrong
}

fn is_banned(name: &str, ban: &str) -> bool {
    match ban.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => name == ban,
    }
}

mod tests {
    use serde_json::json;

    use super::*;

    fn rule(package: &str) -> &'static Rule {
        RULES.iter().find(|rule| rule.package == package).unwrap()
    }

    /// A workspace of the named crates with the crates that each names.
    fn workspace(crates: &[(&str, &[&str])]) -> Workspace {
        let packages: Vec<Value> = crates
            .iter()
            .map(|(name, named)| {
                let named: Vec<Value> = named.iter().map(|name| json!({"name": name})).collect();
                json!({"id": format!("path#{name}"), "name": name, "dependencies": named})
            })
            .chain([json!({"id": "registry#serde", "name": "serde", "dependencies": []})])
            .collect();
        let members: Vec<String> = crates.iter().map(|(name, _)| format!("path#{name}")).collect();
        Workspace::read(&json!({"workspace_members": members, "packages": packages}))
    }

    #[test]
    fn an_arrow_that_points_up() {
        let workspace = workspace(&[
            ("oddline-core", &["oddline-detector", "serde"]),
            ("oddline-detector", &["oddline-core", "xtask"]),
            ("xtask", &[]),
        ]);
        assert_eq!(own_arrows(&workspace), ["oddline-core -> oddline-detector", "oddline-detector -> xtask"]);
    }

    #[test]
    fn a_crate_that_the_table_does_not_know() {
        let wrong = own_arrows(&workspace(&[("oddline-new", &[])]));
        assert_eq!(wrong, ["oddline-new: the table in arrows.rs has no line for it"]);
    }

    #[test]
    fn a_heavy_library_is_found_at_any_depth() {
        let tree =
            "0oddline-core v0.1.0 (x)\n1a v1.0.0\n2b v1.0.0\n3c v1.0.0\n2tokio-util v1.0.0 (*)\n1burndown v1.0.0\n";
        let wrong = heavy_libraries(rule("oddline-core"), tree);
        let wrong: Vec<&str> = wrong.iter().map(String::as_str).collect();
        assert_eq!(wrong, ["oddline-core -> a -> tokio-util", "oddline-core -> burndown"]);
    }

    #[test]
    fn the_test_kit_is_for_tests() {
        assert!(own_arrows(&workspace(&[("oddline-core", &[TESTKIT_NAME]), (TESTKIT_NAME, &[])])).is_empty());
        let shipped = "0oddline-core v0.1.0 (x)\n1oddline-testkit v0.1.0 (y)\n";
        assert_eq!(heavy_libraries(rule("oddline-core"), shipped).len(), 1);
    }

    #[test]
    fn a_crate_may_have_what_it_is_about() {
        let tree = "0oddline-detector v0.1.0 (x)\n1tract-onnx v0.23.9\n";
        assert!(heavy_libraries(rule("oddline-detector"), tree).is_empty());
        assert_eq!(heavy_libraries(rule("oddline-collector"), tree).len(), 1);
    }
}
