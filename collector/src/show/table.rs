//! A table of texts, and the same as CSV.

use oddline_cli::table::aligned;
use oddline_core::terminal::csv_field;

use crate::text::shown;

/// Which way a column's cells lean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnAlign {
    Left,
    Right,
}

/// A column: its name, which way its cells lean, and what stands in them.
pub type TableColumn<'a, T> = (&'a str, ColumnAlign, &'a dyn Fn(&T) -> String);

#[derive(Debug, Clone)]
pub struct OutputTable {
    columns: Vec<(String, ColumnAlign)>,
    rows: Vec<Vec<String>>,
}

impl OutputTable {
    #[must_use]
    pub fn new<'r, T: 'r>(rows: impl IntoIterator<Item = &'r T>, columns: &[TableColumn<'_, T>]) -> Self {
        let rows = rows.into_iter().map(|row| columns.iter().map(|(.., cell)| cell(row)).collect()).collect();
        Self { columns: columns.iter().map(|(name, align, _)| ((*name).to_owned(), *align)).collect(), rows }
    }

    /// Whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Aligned, two spaces between columns, a line a row. Columns that are empty in every row are left out. Control
    /// characters of foreign texts do not reach the terminal.
    #[must_use]
    pub fn to_text(&self) -> String {
        let used: Vec<usize> =
            (0..self.columns.len()).filter(|&at| self.rows.iter().any(|row| !row[at].is_empty())).collect();
        let head: Vec<String> = used.iter().map(|&at| heading(&self.columns[at].0)).collect();
        let body = self.rows.iter().map(|row| used.iter().map(|&at| shown(&row[at])).collect());
        let lines: Vec<Vec<String>> = std::iter::once(head).chain(body).collect();
        let is_right = |at: usize| self.columns[used[at]].1 == ColumnAlign::Right;
        aligned(&lines, is_right).into_iter().map(|line| line + "\n").collect()
    }

    /// RFC 4180, lines end with CR LF as it says. A cell stays on its line, and is no formula.
    #[must_use]
    pub fn to_csv(&self) -> String {
        let mut text = self.columns.iter().map(|(name, _)| csv_field(name)).collect::<Vec<_>>().join(",");
        text.push_str("\r\n");
        for row in &self.rows {
            text.push_str(&row.iter().map(|cell| csv_field(cell)).collect::<Vec<_>>().join(","));
            text.push_str("\r\n");
        }
        text
    }
}

/// Large letters, but for a zone behind the name.
fn heading(name: &str) -> String {
    let (name, zone) = name.split_at(name.find('(').unwrap_or(name.len()));
    name.to_uppercase() + zone
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_foreign_text_is_tamed() {
        let rows = [["a", "5", "x\u{1b}[31m"], ["longer", "12345", &"z".repeat(200)]];
        let table = OutputTable::new(
            &rows,
            &[
                ("name", ColumnAlign::Left, &|row| row[0].to_owned()),
                ("n", ColumnAlign::Right, &|row| row[1].to_owned()),
                ("empty", ColumnAlign::Left, &|_| String::new()),
                ("why", ColumnAlign::Left, &|row| row[2].to_owned()),
            ],
        );
        let text = table.to_text();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "NAME        N  WHY");
        assert_eq!(lines[1], "a           5  x\u{fffd}[31m");
        assert!(lines[2].starts_with("longer  12345  zzz") && lines[2].ends_with('…'), "{}", lines[2]);
    }

    #[test]
    fn csv_is_quoted_where_it_must_be() {
        let rows = [("x,\"y\"", "=1+1"), ("-3.5", "\t-x\u{202e}\n")];
        let table = OutputTable::new(
            &rows,
            &[("a", ColumnAlign::Left, &|row| row.0.to_owned()), ("b", ColumnAlign::Left, &|row| row.1.to_owned())],
        );
        assert_eq!(table.to_csv(), "a,b\r\n\"x,\"\"y\"\"\",'=1+1\r\n-3.5,'\u{fffd}-x\u{fffd}\u{fffd}\r\n");
    }
}
