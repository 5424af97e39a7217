//! Text, numbers and tables as HTML.

use std::fmt::Write;

/// Text, escaped for HTML elements and quoted attributes.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // HTML allows no control characters, and a title may have any.
            c if c.is_control() && c != '\n' && c != '\t' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

/// A figure with four significant digits or so: `0.0384`, `23.04`, `1,234`.
pub(super) fn number(value: f64) -> String {
    // An empty sum is -0.
    let value = value + 0.0;
    match value.abs() {
        _ if !value.is_finite() => "–".to_owned(),
        v if v >= 1_000.0 => count(value.round() as usize),
        v if v >= 10.0 => format!("{value:.2}"),
        _ => format!("{value:.4}"),
    }
}

/// A count with thousands separators: `1,234,567`.
pub(super) fn count(value: usize) -> String {
    let digits = value.to_string();
    let mut out = String::new();
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A ratio as a difference: `+4.8 %`.
pub(super) fn percent(ratio: f64) -> String {
    format!("{:+.1} %", 100.0 * ratio).replace('-', "−")
}

/// A table; the first column of every row is its header. Cells are HTML.
#[derive(Debug, Default)]
pub(super) struct Table {
    caption: String,
    head: Vec<String>,
    rows: Vec<(bool, Vec<String>)>,
}

impl Table {
    /// Starts a table with a caption and column titles, all plain text.
    pub(super) fn new<S: AsRef<str>>(caption: &str, head: impl IntoIterator<Item = S>) -> Self {
        let head = head.into_iter().map(|title| escape(title.as_ref())).collect();
        Self { caption: escape(caption), head, rows: Vec::new() }
    }

    /// Adds a row: its header as text, its cells as HTML; `strong` highlights it.
    pub(super) fn row(&mut self, strong: bool, header: &str, cells: impl IntoIterator<Item = String>) {
        self.rows.push((strong, std::iter::once(escape(header)).chain(cells).collect()));
    }

    /// The table, in a box that scrolls on narrow pages.
    pub(super) fn html(&self) -> String {
        let mut out = String::from("<div class=\"scroll\"><table>");
        if !self.caption.is_empty() {
            let _ = write!(out, "<caption>{}</caption>", self.caption);
        }
        out.push_str("<thead><tr>");
        for title in &self.head {
            let _ = write!(out, "<th scope=\"col\">{title}</th>");
        }
        out.push_str("</tr></thead><tbody>");
        for (strong, cells) in &self.rows {
            out.push_str(if *strong { "<tr class=\"ours\">" } else { "<tr>" });
            for (n, cell) in cells.iter().enumerate() {
                let _ = match n {
                    0 => write!(out, "<th scope=\"row\">{cell}</th>"),
                    _ => write!(out, "<td>{cell}</td>"),
                };
            }
            out.push_str("</tr>");
        }
        out.push_str("</tbody></table></div>");
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped() {
        assert_eq!(escape("<b a='1' c=\"2\">&\u{7}"), "&lt;b a=&#39;1&#39; c=&quot;2&quot;&gt;&amp;\u{fffd}");
        assert_eq!(escape("茶 🍵"), "茶 🍵");
    }

    #[test]
    fn figures_are_formatted_for_reading() {
        assert_eq!(
            (number(0.03841), number(23.0354), number(1_234_567.0)),
            ("0.0384".into(), "23.04".into(), "1,234,567".into())
        );
        assert_eq!((number(f64::NAN), percent(-0.012)), ("–".into(), "−1.2 %".into()));
        assert_eq!((count(0), count(999), count(1_000)), ("0".into(), "999".into(), "1,000".into()));
    }
}
