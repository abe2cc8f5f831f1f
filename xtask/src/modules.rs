//! The modules of the collector form one order: each may use those above it in the table and none below. So there is no
//! circle, and a module can be read with what was read before.

use crate::sources;

/// From what uses nothing to what uses everything.
const COLLECTOR: &[&str] = &[
    "clock",
    "text",
    "time",
    "fleet",
    "figures",
    "pages",
    "store",
    "incidents",
    "feed",
    "retry_state",
    "subscribe",
    "enroll",
    "broker",
    "filters",
    "ingest",
    "show",
    "desired_publisher",
    "tasks",
    "writer",
    "serve",
    "push",
    "config",
    "error",
    "run",
    "daemon",
    "args",
    "enroll_commands",
    "commands",
];

#[test]
fn modules_of_the_collector_use_those_above() {
    let mut wrong = Vec::new();
    for source in sources::all().iter().filter(|source| source.is_rust()) {
        let Some(file) = source.path.strip_prefix("collector/src/") else { continue };
        let module = file.split('/').next().unwrap_or_default().trim_end_matches(".rs");
        if ["lib", "main"].contains(&module) {
            continue;
        }
        let Some(own) = COLLECTOR.iter().position(|name| *name == module) else {
            wrong.push(format!("{module}: the table in modules.rs has no line for it"));
            continue;
        };
        let used = used(source.without_tests());
        let up = used.iter().filter(|name| COLLECTOR.iter().position(|known| known == *name).is_none_or(|at| at > own));
        wrong.extend(up.map(|name| format!("{}: {module} -> {name}", source.path)));
    }
    assert!(wrong.is_empty(), "modules that use what is below them:\n  {}", wrong.join("\n  "));
}

/// The crate's own modules that a text names: `crate::name` and the first names in `crate::{...}`.
fn used(text: &str) -> Vec<String> {
    let code: String = text.lines().map(|line| format!("{}\n", line.split("//").next().unwrap_or_default())).collect();
    let mut names = Vec::new();
    for (at, mark) in code.match_indices("crate::") {
        let rest = &code[at + mark.len()..];
        match rest.strip_prefix('{') {
            Some(group) => names.extend(firsts(group)),
            None => names.push(word(rest)),
        }
    }
    names.sort();
    names.dedup();
    names
}

/// The first name of each part of a group in braces, up to its end.
fn firsts(group: &str) -> Vec<String> {
    let (mut depth, mut is_first, mut names) = (0_usize, true, Vec::new());
    for (at, c) in group.char_indices() {
        match c {
            '}' if depth == 0 => break,
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => is_first = true,
            c if is_first && !c.is_whitespace() => {
                names.push(word(&group[at..]));
                is_first = false;
            }
            _ => {}
        }
    }
    names
}

fn word(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

#[test]
fn what_counts_as_using_a_module() {
    let text =
        "use crate::{\n    a::{self, x, y},\n    b,\n};\nuse crate::c::d;\n// crate::e\nlet x = crate::f::g(crate::b);";
    assert_eq!(used(text), ["a", "b", "c", "f"]);
}
