//! Plain text tables: the first columns to the left, figures to the right.

use oddline_cli::table::aligned;

/// A table under construction. Column widths follow the longest cell.
pub(super) struct TextTable {
    /// This many columns are names and stand to the left.
    names: usize,
    rows: Vec<Vec<String>>,
}

impl TextTable {
    pub(super) fn new(names: usize, header: &[&str]) -> Self {
        Self { names, rows: vec![header.iter().map(|cell| (*cell).to_owned()).collect()] }
    }

    /// Rows may be shorter than the header, not longer.
    pub(super) fn row(&mut self, cells: Vec<String>) {
        assert!(cells.len() <= self.rows[0].len(), "more cells than columns");
        self.rows.push(cells);
    }

    /// Lines indented by two spaces, without trailing blanks; a rule below the header.
    pub(super) fn render(&self) -> String {
        let lines = aligned(&self.rows, |column| column >= self.names);
        let width = lines.iter().map(|line| line.chars().count()).max().unwrap_or(0);
        let mut text = String::new();
        for (number, line) in lines.iter().enumerate() {
            text += format!("  {line}").trim_end();
            text.push('\n');
            if number == 0 {
                text += &format!("  {}\n", "-".repeat(width));
            }
        }
        text
    }
}

/// `text` cut to `width` characters, its middle replaced by two dots: both ends of a name tell.
pub(super) fn shorten(text: &str, width: usize) -> String {
    let length = text.chars().count();
    if length <= width {
        return text.to_owned();
    }
    let head = (width - 2) / 2;
    let tail = width - 2 - head;
    let start: String = text.chars().take(head).collect();
    let end: String = text.chars().skip(length - tail).collect();
    format!("{start}..{end}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let mut table = TextTable::new(1, &["kind", "n", "recall"]);
        table.row(vec!["spike".into(), "12".into(), "0.5".into()]);
        table.row(vec!["é".into(), "3".into()]);
        assert_eq!(table.render(), "  kind    n  recall\n  -----------------\n  spike  12     0.5\n  é       3\n");
    }

    #[test]
    fn long_names_keep_both_ends() {
        assert_eq!(shorten("abcdefghij", 6), "ab..ij");
        assert_eq!(shorten("abc", 6), "abc");
    }
}
