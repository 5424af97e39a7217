//! Detects the dialect of a delimited file from its first lines: delimiter, quotes, lines before the header, header.

use super::records::{Delimiter, Record, Records, Writing};
use super::row::plain;
use crate::config::{Format, Header, TableConfig, folded};
use crate::orders::time::guess;
use std::collections::HashSet;

/// Records that are examined.
const RECORDS: usize = 200;

/// First records in which the header is searched.
const BEFORE: usize = 50;

/// Candidate delimiters, the likeliest first.
const CANDIDATES: [&str; 8] = [",", "\t", ";", "|", "::", "^", "\u{1}", " "];

/// The dialect of a delimited file.
#[derive(Debug, Clone)]
pub struct Dialect {
    /// Delimiter, quoting and line end.
    pub writing: Writing,
    /// The delimiter in the notation of the configuration.
    pub delimiter: String,
    /// Physical lines before the header or, without a header, before the first row.
    pub before: u64,
    /// True if a line names the columns.
    pub has_header: bool,
    /// The columns' names; 1, 2, 3 ... without a header.
    pub names: Vec<String>,
    /// Number of cells in most rows.
    pub width: usize,
    /// The first rows, for messages.
    pub examples: Vec<Vec<String>>,
    /// True if the delimiter, the header or the lines before it were detected from the content.
    pub guessed: bool,
}

impl Dialect {
    /// Takes the first line as the header, for one-hot baskets, whose header may look like data.
    pub fn name_columns(&mut self, sample: &[u8]) {
        let lines = read_sample(sample, true, &self.writing);
        if let Some(line) = lines.iter().find(|line| line.line > self.before && !line.is_blank()) {
            self.names = line.cells.iter().map(|cell| plain(cell).unwrap_or_default().to_owned()).collect();
            self.has_header = true;
        }
    }
}

/// Known column names, by [`folded`].
pub struct Known(HashSet<String>);

impl Known {
    /// Collects the names.
    pub fn new<'a>(names: impl Iterator<Item = &'a str>) -> Self {
        // A number is no column name: it may be a value of a file without a header.
        let is_name = |name: &String| !name.is_empty() && name.parse::<f64>().is_err();
        Self(names.map(folded).filter(is_name).collect())
    }

    /// The number of distinct known names among `cells`.
    pub fn count(&self, cells: &[String]) -> usize {
        let found: HashSet<String> =
            cells.iter().map(|cell| folded(cell)).filter(|name| self.0.contains(name)).collect();
        found.len()
    }
}

/// A record of the sample.
struct Line {
    line: u64,
    cells: Vec<String>,
}

impl Line {
    fn is_blank(&self) -> bool {
        self.cells.iter().all(|cell| plain(cell).is_none())
    }

    /// Number of cells up to the last one that is not blank.
    fn filled(&self) -> usize {
        self.cells.iter().rposition(|cell| plain(cell).is_some()).map_or(0, |last| last + 1)
    }
}

/// Detects the dialect of a text from its beginning; `whole` is true if `sample` is the whole text.
pub fn sniff(sample: &[u8], whole: bool, format: Format, options: &TableConfig, known: &Known) -> Dialect {
    let line_end = if sample.contains(&b'\n') || !sample.contains(&b'\r') { b'\n' } else { b'\r' };
    let backslash = memchr::memmem::find(sample, b"\\\"").is_some()
        && memchr::memmem::find(sample, b"\"\"")
            .is_none_or(|_| memchr::memmem::find(sample, b"\\\",").is_none());
    let read = |text: &str| {
        let writing = Writing { delimiter: Delimiter::of(text), backslash, line_end };
        (read_sample(sample, whole, &writing), writing)
    };
    let (lines, writing, delimiter) = match (&options.delimiter, format) {
        (Some(delimiter), _) => {
            let (lines, writing) = read(delimiter);
            (lines, writing, delimiter.clone())
        }
        (None, _) => best(read, format, known),
    };
    let mut dialect = settle(lines, writing, delimiter, options, known);
    dialect.guessed |= options.delimiter.is_none() && !matches!(dialect.delimiter.as_str(), "," | "\t");
    dialect
}

/// Detects the dialect of rows that are already split into cells, given with their lines.
pub fn of_cells(rows: Vec<(u64, Vec<String>)>, options: &TableConfig, known: &Known) -> Dialect {
    let lines = rows.into_iter().map(|(line, cells)| Line { line, cells }).collect();
    let writing = Writing { delimiter: Delimiter::Byte(b','), backslash: false, line_end: b'\n' };
    settle(lines, writing, ",".to_owned(), options, known)
}

fn settle(
    lines: Vec<Line>,
    writing: Writing,
    delimiter: String,
    options: &TableConfig,
    known: &Known,
) -> Dialect {
    let skipped = options.skip_lines.unwrap_or(0);
    let lines: Vec<Line> = lines.into_iter().filter(|line| line.line > skipped && !line.is_blank()).collect();
    let width = common_width(&lines).0;
    let (header, guessed_header) = find_header(&lines, width, options, known);
    let examples_of = |from: usize| lines.iter().skip(from).take(3).map(|line| line.cells.clone()).collect();
    let numbered = |width: usize| {
        let from =
            usize::from(!options.columns.values().flat_map(|column| column.names()).any(|name| name == "0"));
        (from..from + width).map(|number| number.to_string()).collect::<Vec<String>>()
    };
    let (has_header, names, first, examples) = match header {
        Some(place) => {
            let names =
                lines[place].cells.iter().map(|cell| plain(cell).unwrap_or_default().to_owned()).collect();
            (true, names, lines[place].line, examples_of(place + 1))
        }
        None => {
            let names = match &options.header {
                Some(Header::Names(names)) => names.clone(),
                _ => numbered(width.max(1)),
            };
            let start = lines.iter().position(|line| line.cells.len() == width).unwrap_or(0);
            (false, names, lines.get(start).map_or(skipped + 1, |line| line.line), examples_of(start))
        }
    };
    let before = first - 1;
    let guessed = guessed_header || (before > 0 && options.skip_lines.is_none());
    Dialect { writing, delimiter, before, has_header, names, width, examples, guessed }
}

fn read_sample(sample: &[u8], whole: bool, writing: &Writing) -> Vec<Line> {
    let mut records = Records::new(sample, writing.clone(), 1);
    let (mut record, mut lines) = (Record::default(), Vec::new());
    while lines.len() < RECORDS && records.read(&mut record).unwrap_or(false) {
        let cell = |&(start, end): &(u32, u32)| {
            String::from_utf8_lossy(&record.bytes[start as usize..end as usize]).into_owned()
        };
        lines.push(Line { line: record.line, cells: record.spans.iter().map(cell).collect() });
    }
    // The last line may be cut off.
    if !whole && lines.len() < RECORDS {
        lines.pop();
    }
    lines
}

/// The delimiter with which most lines have the same width of two or more, and with which known names occur.
fn best(
    read: impl Fn(&str) -> (Vec<Line>, Writing),
    format: Format,
    known: &Known,
) -> (Vec<Line>, Writing, String) {
    let first = if format == Format::Tsv { "\t" } else { "," };
    let order = [first].into_iter().chain(CANDIDATES.into_iter().filter(|text| *text != first));
    let mut best: Option<(f64, Vec<Line>, Writing, &str)> = None;
    for text in order {
        let (lines, writing) = read(text);
        let (width, share) = common_width(&lines);
        let names = lines.iter().take(BEFORE).map(|line| known.count(&line.cells)).max().unwrap_or(0);
        let score =
            if width < 2 { 0.0 } else { share + 0.02 * width.min(20) as f64 + 0.3 * names.min(4) as f64 };
        // White space also occurs within values, so it is chosen only if no other delimiter fits.
        let tells = best.as_ref().is_none_or(|(other, ..)| score > *other && (text != " " || *other < 0.8));
        if tells {
            best = Some((score, lines, writing, text));
        }
    }
    match best {
        Some((_, lines, writing, text)) => (lines, writing, text.to_owned()),
        None => {
            let (lines, writing) = read(first);
            (lines, writing, first.to_owned())
        }
    }
}

/// The width of most lines, and the share of lines with it; a wider line counts if its further cells are blank.
fn common_width(lines: &[Line]) -> (usize, f64) {
    let lines: Vec<&Line> = lines.iter().filter(|line| !line.is_blank()).collect();
    let mut widths: Vec<usize> = lines.iter().map(|line| line.cells.len()).collect();
    widths.sort_unstable();
    let runs = widths.chunk_by(|a, b| a == b);
    let Some(width) = runs.max_by_key(|run| (run.len(), run[0])).map(|run| run[0]) else { return (0, 0.0) };
    let fits =
        |line: &&&Line| line.cells.len() == width || (line.cells.len() > width && line.filled() <= width);
    (width, lines.iter().filter(fits).count() as f64 / lines.len() as f64)
}

/// The index of the header among the lines, `None` if there is none; and true if that was detected from the content.
fn find_header(lines: &[Line], width: usize, options: &TableConfig, known: &Known) -> (Option<usize>, bool) {
    match &options.header {
        Some(Header::Line(false) | Header::Names(_)) => return (None, false),
        Some(Header::Line(true)) if options.skip_lines.is_some() => {
            return (Some(0).filter(|_| !lines.is_empty()), false);
        }
        _ => {}
    }
    let names = |line: &Line| known.count(&line.cells);
    let most = lines.iter().take(BEFORE).map(names).max().unwrap_or(0);
    let by_name = lines
        .iter()
        .take(BEFORE)
        .position(|line| most >= 1 && names(line) == most && (most >= 2 || fits(line, width)));
    if let Some(place) = by_name {
        return (Some(place), false);
    }
    let first = lines.iter().take(BEFORE).position(|line| fits(line, width));
    let Some(first) = first else { return (None, false) };
    if options.header.is_none() && looks_like_data(&lines[first]) {
        return (None, true);
    }
    (Some(first), false)
}

fn fits(line: &Line, width: usize) -> bool {
    line.cells.len() == width || line.filled() == width || line.cells.len() + 1 == width
}

/// True if any cell is a number or a time, which a column name is not.
fn looks_like_data(line: &Line) -> bool {
    let cells: Vec<&str> = line.cells.iter().filter_map(|cell| plain(cell)).collect();
    let is_value = |cell: &&str| cell.parse::<f64>().is_ok() || guess(cell).is_time();
    let values = cells.iter().filter(|cell| is_value(cell)).count();
    values > 0 && !cells.is_empty()
}

#[cfg(test)]
mod tests {
    use super::{Dialect, Known, sniff};
    use crate::config::{Format, TableConfig};

    fn told(text: &str) -> Dialect {
        let known = Known::new(["order_id", "item_id", "user_id", "订单编号", "商品"].into_iter());
        sniff(text.as_bytes(), true, Format::Csv, &TableConfig::default(), &known)
    }

    #[test]
    fn the_delimiter_is_the_one_that_gives_even_rows() {
        for delimiter in [",", ";", "\t", "|", "::"] {
            let row = |a: &str, b: &str, c: &str| [a, b, c].join(delimiter) + "\n";
            let text =
                row("order_id", "item_id", "Preis") + &row("1", "a b", "10.50") + &row("2", "c", "9.00");
            let dialect = told(&text);
            assert_eq!((dialect.delimiter.as_str(), dialect.names.len()), (delimiter, 3), "{text}");
        }
        assert_eq!(told("Bestellung;Preis\n1;10,50\n2;11,50\n").delimiter, ";");
        let spaces = told(" 00001 20210101  1   10.77\n 00002 20210102  2   11.77\n");
        assert_eq!((spaces.delimiter.as_str(), spaces.has_header, spaces.names.len()), (" ", false, 4));
    }

    #[test]
    fn lines_before_the_header_are_passed_over() {
        let dialect = told("店铺导出\n时间:2024-01,共3行\n\n订单编号,商品,数量\n1,a,1\n2,b,1\n");
        assert_eq!((dialect.before, dialect.has_header, dialect.names[1].as_str()), (3, true, "商品"));
    }

    #[test]
    fn a_first_line_of_values_is_no_header() {
        let dialect = told("1,2268318,2520377,pv,1511544070\n1,2333346,2520771,buy,1511561733\n");
        assert_eq!((dialect.has_header, dialect.names.join(" ")), (false, "1 2 3 4 5".to_owned()));
        assert!(told("Kunde,Artikel\nk1,a1\nk2,a2\n").has_header);
    }
}
