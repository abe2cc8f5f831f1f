//! Prometheus' text format, version 0.0.4.

use std::{collections::BTreeSet, fmt::Display};

/// What a server of this text says in `Content-Type`.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A page under construction: a head before the first sample of a name.
#[derive(Debug, Default)]
pub struct MetricsPage {
    text: String,
    heads: BTreeSet<String>,
}

impl MetricsPage {
    /// Help and type of a name, once; `kind` is `counter` or `gauge`.
    pub fn head(&mut self, name: &str, kind: &str, help: &str) {
        if self.heads.insert(name.to_owned()) {
            self.text += &format!("# HELP {name} {help}\n# TYPE {name} {kind}\n");
        }
    }

    /// A name with one sample.
    pub fn one(&mut self, name: &str, kind: &str, help: &str, value: impl Display) {
        self.add(name, kind, help, &[], value);
    }

    /// One of the samples of a name.
    pub fn add(&mut self, name: &str, kind: &str, help: &str, labels: &[(&str, &str)], value: impl Display) {
        self.head(name, kind, help);
        let labels: Vec<String> =
            labels.iter().map(|(label, value)| format!("{label}=\"{}\"", escaped(value))).collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        self.text += &format!("{name}{labels} {value}\n");
    }

    /// All of it.
    #[must_use]
    pub fn into_text(self) -> String {
        self.text
    }
}

fn escaped(label: &str) -> String {
    label.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_stands_once_and_labels_are_escaped() {
        let mut page = MetricsPage::default();
        page.add("a_total", "counter", "All.", &[("path", "/x\\\"\n"), ("status", "2xx")], 3);
        page.one("b", "gauge", "One.", 1.5);
        page.add("a_total", "counter", "All.", &[("path", "y"), ("status", "2xx")], 4);
        let text = page.into_text();
        assert_eq!(
            text,
            "# HELP a_total All.\n# TYPE a_total counter\na_total{path=\"/x\\\\\\\"\\n\",status=\"2xx\"} 3\n\
             # HELP b One.\n# TYPE b gauge\nb 1.5\na_total{path=\"y\",status=\"2xx\"} 4\n"
        );
    }
}
