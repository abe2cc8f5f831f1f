//! Columns for people. Pure.

/// Lines of cells, each padded to the widest of its column; two spaces between columns, none at a line's end. Lines may be
/// shorter than the first.
#[must_use]
pub fn aligned(lines: &[Vec<String>], is_right: impl Fn(usize) -> bool) -> Vec<String> {
    let columns = lines.iter().map(Vec::len).max().unwrap_or_default();
    let width = |at: usize| lines.iter().filter_map(|line| line.get(at)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|at| width(at).unwrap_or_default()).collect();
    let padded = |line: &Vec<String>| -> String {
        let cells = line.iter().zip(&widths).enumerate().map(|(at, (cell, width))| {
            if is_right(at) { format!("{cell:>width$}") } else { format!("{cell:<width$}") }
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    lines.iter().map(padded).collect()
}

/// Rows under a heading, columns of numbers to the right.
#[must_use]
pub fn table(heading: &[&str], rows: &[Vec<String>]) -> String {
    let is_number = |at: usize| {
        let mut cells = rows.iter().filter_map(|row| row.get(at)).filter(|cell| !cell.is_empty()).peekable();
        cells.peek().is_some() && cells.all(|cell| cell.starts_with(|c: char| c.is_ascii_digit()))
    };
    let numbers: Vec<bool> = (0..heading.len()).map(is_number).collect();
    let mut lines = vec![heading.iter().map(|cell| (*cell).to_owned()).collect()];
    lines.extend_from_slice(rows);
    aligned(&lines, |at| numbers.get(at) == Some(&true)).join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let rows = [vec!["journal".to_owned(), "7".to_owned()], vec!["a".to_owned(), "1234".to_owned()]];
        assert_eq!(table(&["source", "n"], &rows), "source      n\njournal     7\na        1234\n");
    }
}
