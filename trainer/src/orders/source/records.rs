//! Parses delimited text into records: cells, quotes, and the number of physical lines of each record.
//!
//! A quote that is never closed must not swallow the lines after it. A record of more than one line is accepted only
//! if its quotes close before a delimiter, it has the width of the file, and none of its inner lines is a complete
//! record by itself; else its first line is read literally and the others are read again.

use super::bytes::MAX_ROW_BYTES;
use super::row::Span;
use std::collections::VecDeque;
use std::io::{self, BufRead, Read};

/// Most physical lines of one record.
const MAX_LINES: u64 = 200;

/// The delimiter between two cells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delimiter {
    /// One byte.
    Byte(u8),
    /// A text such as `::`.
    Text(Vec<u8>),
    /// A run of spaces and tabs.
    Spaces,
}

impl Delimiter {
    /// The delimiter written in the configuration; a space means runs of white space.
    pub fn of(text: &str) -> Self {
        match text.as_bytes() {
            b" " => Self::Spaces,
            [byte] => Self::Byte(*byte),
            bytes => Self::Text(bytes.to_vec()),
        }
    }
}

/// The syntax of records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Writing {
    /// The delimiter between two cells.
    pub delimiter: Delimiter,
    /// A quote within quotes is written `\"`, not `""`.
    pub backslash: bool,
    /// The last byte of a line: `\n`, or `\r` in old files.
    pub line_end: u8,
}

/// One record; its buffers are used again.
#[derive(Debug, Default)]
pub struct Record {
    /// Its first line, from 1.
    pub line: u64,
    /// Number of its physical lines.
    pub lines: u64,
    /// The record as written, without the last line end, followed by the unescaped text of cells with escaped quotes.
    pub bytes: Vec<u8>,
    /// The cells.
    pub spans: Vec<Span>,
    /// True if the line was read literally because of a stray quote.
    pub literal: bool,
}

/// Reads records.
pub struct Records<R> {
    input: R,
    writing: Writing,
    /// Number of cells of a record; 0 if unknown.
    width: usize,
    next_line: u64,
    again: VecDeque<Vec<u8>>,
}

/// The outcome of parsing the quotes of a text.
enum Quoted {
    Whole,
    /// The last quote is still open.
    Open,
    /// Something other than a delimiter follows a closing quote.
    Malformed,
}

impl<R: BufRead> Records<R> {
    /// Reads `input`, whose next line has this number.
    pub fn new(input: R, writing: Writing, next_line: u64) -> Self {
        Self { input, writing, width: 0, next_line, again: VecDeque::new() }
    }

    /// Sets the expected number of cells of the following records.
    pub fn expect(&mut self, width: usize) {
        self.width = width;
    }

    /// Reads the next record, blank lines included. `false` at the end.
    ///
    /// # Errors
    /// Fails on an I/O error, or if a line is longer than 64 MiB.
    pub fn read(&mut self, record: &mut Record) -> io::Result<bool> {
        record.bytes.clear();
        record.spans.clear();
        (record.line, record.lines, record.literal) = (self.next_line, 1, false);
        if !self.line(&mut record.bytes)? {
            return Ok(false);
        }
        if memchr::memchr(b'"', &record.bytes).is_some() {
            self.quoted(record)?;
        } else {
            split(&record.bytes, &self.writing.delimiter, &mut record.spans);
        }
        self.next_line += record.lines;
        Ok(true)
    }

    /// Appends the next physical line without its end.
    fn line(&mut self, bytes: &mut Vec<u8>) -> io::Result<bool> {
        if let Some(line) = self.again.pop_front() {
            bytes.extend_from_slice(&line);
            return Ok(true);
        }
        let before = bytes.len();
        let end = self.writing.line_end;
        let mut limited = (&mut self.input).take(MAX_ROW_BYTES);
        let read = limited.read_until(end, bytes)?;
        if read == 0 {
            return Ok(false);
        }
        if read as u64 >= MAX_ROW_BYTES {
            return Err(io::Error::other("a line is longer than 64 MiB"));
        }
        if bytes.last() == Some(&end) {
            bytes.pop();
        }
        if end == b'\n' && bytes.len() > before && bytes.last() == Some(&b'\r') {
            bytes.pop();
        }
        Ok(true)
    }

    fn quoted(&mut self, record: &mut Record) -> io::Result<()> {
        let mut ends = vec![record.bytes.len()];
        loop {
            record.spans.clear();
            let raw = record.bytes.len();
            let whole = match cut(&mut record.bytes, &self.writing, &mut record.spans) {
                Quoted::Whole => true,
                Quoted::Malformed => false,
                Quoted::Open => {
                    record.bytes.truncate(raw);
                    record.bytes.push(b'\n');
                    let may_go_on = record.lines < MAX_LINES && (raw as u64) < MAX_ROW_BYTES / 64;
                    if may_go_on && self.line(&mut record.bytes)? {
                        ends.push(record.bytes.len());
                        record.lines += 1;
                        continue;
                    }
                    record.bytes.truncate(raw);
                    false
                }
            };
            if whole && (record.lines == 1 || self.believes(record, &ends)) {
                return Ok(());
            }
            self.read_literally(record, &ends);
            return Ok(());
        }
    }

    /// True if a record over several lines is accepted as one record.
    fn believes(&self, record: &Record, ends: &[usize]) -> bool {
        if self.width == 0 {
            return true;
        }
        let mut cells = Vec::new();
        let inner = ends.windows(2).take(ends.len().saturating_sub(2));
        let swallowed = inner.into_iter().any(|pair| {
            cells.clear();
            split(&record.bytes[pair[0] + 1..pair[1]], &self.writing.delimiter, &mut cells);
            self.width > 1 && cells.len() == self.width
        });
        record.spans.len() == self.width && !swallowed
    }

    fn read_literally(&mut self, record: &mut Record, ends: &[usize]) {
        for pair in ends.windows(2).rev() {
            self.again.push_front(record.bytes[pair[0] + 1..pair[1]].to_vec());
        }
        record.bytes.truncate(ends[0]);
        record.spans.clear();
        (record.lines, record.literal) = (1, true);
        split(&record.bytes, &self.writing.delimiter, &mut record.spans);
    }
}

/// Splits a line at its delimiters; quotes are ordinary characters. Lines are at most 64 MiB, so offsets fit in u32.
fn split(line: &[u8], delimiter: &Delimiter, spans: &mut Vec<Span>) {
    let mut start = 0;
    match delimiter {
        Delimiter::Byte(byte) => {
            for end in memchr::memchr_iter(*byte, line) {
                spans.push((start as u32, end as u32));
                start = end + 1;
            }
        }
        Delimiter::Text(text) => {
            for end in memchr::memmem::find_iter(line, text) {
                spans.push((start as u32, end as u32));
                start = end + text.len();
            }
        }
        Delimiter::Spaces => {
            let is_space = |byte: &u8| matches!(byte, b' ' | b'\t');
            let mut at = 0;
            while at < line.len() {
                let gap = line[at..].iter().take_while(|byte| is_space(byte)).count();
                let word = line[at + gap..].iter().take_while(|byte| !is_space(byte)).count();
                if word > 0 {
                    spans.push(((at + gap) as u32, (at + gap + word) as u32));
                }
                at += gap + word;
            }
            return;
        }
    }
    spans.push((start as u32, line.len() as u32));
}

/// Splits a text whose cells may be quoted. Cells with escaped quotes are appended to `bytes` unescaped.
fn cut(bytes: &mut Vec<u8>, writing: &Writing, spans: &mut Vec<Span>) -> Quoted {
    let length = bytes.len();
    let mut at = 0;
    loop {
        if bytes.get(at) == Some(&b'"') && at < length {
            match closing(&bytes[..length], at + 1, writing.backslash) {
                None => return Quoted::Open,
                Some((end, inner)) => {
                    let after = end + 1;
                    let Some(width) = delimiter_at(&bytes[..length], after, &writing.delimiter) else {
                        return Quoted::Malformed;
                    };
                    spans.push(if inner {
                        unescaped(bytes, at + 1, end, writing.backslash)
                    } else {
                        ((at + 1) as u32, end as u32)
                    });
                    if after >= length {
                        return Quoted::Whole;
                    }
                    at = after + width;
                }
            }
        } else {
            let (end, width) = next_delimiter(&bytes[..length], at, &writing.delimiter);
            spans.push((at as u32, end as u32));
            if end >= length {
                return Quoted::Whole;
            }
            at = end + width;
        }
    }
}

/// The position of the closing quote for the quote that opened before `start`, and true if there are escaped
/// characters inside; `None` if it is never closed.
fn closing(bytes: &[u8], start: usize, backslash: bool) -> Option<(usize, bool)> {
    let (mut at, mut inner) = (start, false);
    while let Some(found) = memchr::memchr2(b'"', b'\\', bytes.get(at..)?) {
        let place = at + found;
        match (bytes[place], bytes.get(place + 1)) {
            (b'\\', Some(_)) if backslash => (inner, at) = (true, place + 2),
            (b'\\', _) => at = place + 1,
            (_, Some(b'"')) => (inner, at) = (true, place + 2),
            _ => return Some((place, inner)),
        }
    }
    None
}

/// The width of the delimiter at `at`; 0 at the end of the text, `None` if there is no delimiter.
fn delimiter_at(bytes: &[u8], at: usize, delimiter: &Delimiter) -> Option<usize> {
    let rest = &bytes[at.min(bytes.len())..];
    match delimiter {
        _ if rest.is_empty() => Some(0),
        Delimiter::Byte(byte) => (rest[0] == *byte).then_some(1),
        Delimiter::Text(text) => rest.starts_with(text).then_some(text.len()),
        Delimiter::Spaces => {
            Some(rest.iter().take_while(|b| matches!(b, b' ' | b'\t')).count()).filter(|n| *n > 0)
        }
    }
}

fn next_delimiter(bytes: &[u8], at: usize, delimiter: &Delimiter) -> (usize, usize) {
    let rest = &bytes[at.min(bytes.len())..];
    let found = match delimiter {
        Delimiter::Byte(byte) => memchr::memchr(*byte, rest).map(|end| (at + end, 1)),
        Delimiter::Text(text) => memchr::memmem::find(rest, text).map(|end| (at + end, text.len())),
        Delimiter::Spaces => rest
            .iter()
            .position(|b| matches!(b, b' ' | b'\t'))
            .map(|end| (at + end, rest[end..].iter().take_while(|b| matches!(b, b' ' | b'\t')).count())),
    };
    found.unwrap_or((bytes.len(), 0))
}

fn unescaped(bytes: &mut Vec<u8>, start: usize, end: usize, backslash: bool) -> Span {
    let from = bytes.len();
    let mut at = start;
    while at < end {
        let byte = bytes[at];
        let next = bytes.get(at + 1).copied();
        match (byte, next) {
            (b'"', Some(b'"')) => {
                bytes.push(b'"');
                at += 2;
            }
            (b'\\', Some(escaped)) if backslash && at + 1 < end => {
                bytes.push(escaped);
                at += 2;
            }
            _ => {
                bytes.push(byte);
                at += 1;
            }
        }
    }
    (from as u32, bytes.len() as u32)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::{Delimiter, Record, Records, Writing};

    /// Every record as (line, lines, cells).
    fn read(text: &str, delimiter: &str, backslash: bool, width: usize) -> Vec<(u64, u64, Vec<String>)> {
        let writing = Writing { delimiter: Delimiter::of(delimiter), backslash, line_end: b'\n' };
        let mut records = Records::new(text.as_bytes(), writing, 1);
        records.expect(width);
        let (mut record, mut all) = (Record::default(), Vec::new());
        while records.read(&mut record).unwrap() {
            let text = std::str::from_utf8(&record.bytes).unwrap();
            let cells = record.spans.iter().map(|&(a, b)| text[a as usize..b as usize].to_owned()).collect();
            all.push((record.line, record.lines, cells));
        }
        all
    }

    fn cells(text: &str, delimiter: &str) -> Vec<String> {
        read(text, delimiter, false, 0).remove(0).2
    }

    #[test]
    fn delimiters_of_any_length_and_runs_of_spaces_cut_lines() {
        assert_eq!(cells("a,b,,c", ","), ["a", "b", "", "c"]);
        assert_eq!(cells("1::2::::3", "::"), ["1", "2", "", "3"]);
        assert_eq!(cells("  00001 20210101\t 1   10.77", " "), ["00001", "20210101", "1", "10.77"]);
    }

    #[test]
    fn quotes_hold_delimiters_quotes_and_lines() {
        let got = read("a,\"b,\"\"c\"\"\",\"d\ne\"\r\nf,g,h\n", ",", false, 3);
        assert_eq!(got[0], (1, 2, vec!["a".into(), "b,\"c\"".into(), "d\ne".into()]));
        assert_eq!(got[1].0, 3);
        let got = read("\"say \\\"hi\\\", now\",x\n", ",", true, 2);
        assert_eq!(got[0].2, ["say \"hi\", now", "x"]);
        assert_eq!(cells("5\" pipe,x", ","), ["5\" pipe", "x"]);
    }

    #[test]
    fn a_quote_that_is_never_closed_swallows_no_line() {
        let text = format!("a,\"tea,1\n{}b,\"cup,2\n", "x,y,z\n".repeat(500));
        let got = read(&text, ",", false, 3);
        assert_eq!(got.len(), 502);
        assert_eq!(got[0].2, ["a", "\"tea", "1"]);
        // The two stray quotes look like one pair around 60 complete records.
        let text = format!("a,b,\"tea\n{}c,d,e\"\n", "x,y,z\n".repeat(60));
        assert_eq!(read(&text, ",", false, 3).len(), 62);
    }
}
