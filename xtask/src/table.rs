//! Rows of text as an aligned table that is valid Markdown as well, so that a measurement can be pasted into docs/.

/// The table's text; the first column is left-aligned, the others right-aligned.
pub(crate) fn markdown(header: &[&str], rows: &[Vec<String>]) -> String {
    let mut widths: Vec<usize> = header.iter().map(|cell| cell.chars().count()).collect();
    for row in rows {
        assert_eq!(row.len(), header.len(), "a table's rows have its header's columns");
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |cells: &[String]| {
        let mut text = String::from("|");
        for (column, (cell, &width)) in cells.iter().zip(&widths).enumerate() {
            let cell = if column == 0 { format!(" {cell:<width$} |") } else { format!(" {cell:>width$} |") };
            text.push_str(&cell);
        }
        text
    };
    let header: Vec<String> = header.iter().map(|&cell| cell.to_owned()).collect();
    let mut rule: Vec<String> = widths.iter().map(|&width| "-".repeat(width.max(2) - 1) + ":").collect();
    rule[0] = "-".repeat(widths[0].max(1));
    let mut lines = vec![line(&header), line(&rule)];
    lines.extend(rows.iter().map(|row| line(row)));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_align() {
        let rows = [vec!["wc -l".into(), "0.03".into()], vec!["a".into(), "12.50".into()]];
        let text = "\
| name  |     s |
| ----- | ----: |
| wc -l |  0.03 |
| a     | 12.50 |";
        assert_eq!(markdown(&["name", "s"], &rows), text);
    }
}
