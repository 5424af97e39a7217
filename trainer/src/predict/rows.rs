//! Answers as rows: key, rank, answer, score.

use std::io::Write;
use std::sync::Arc;

use arrow_array::builder::{Float32Builder, Int32Builder, StringBuilder};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use qianmian_models::ids::Vocabulary;
use qianmian_models::kernels::topk::Scored;

use super::Kind;

/// Encodes rows in the format of the output file.
#[derive(Debug, Clone)]
pub enum Encoder {
    /// CSV or TSV.
    Delimited {
        /// Between two cells.
        delimiter: u8,
        /// Decides the names of the columns.
        kind: Kind,
        /// True if `'` is written before cells that a spreadsheet would run as a formula.
        neutralize: bool,
    },
    /// One JSON object per line.
    JsonLines(Kind),
    /// Arrow columns, for Parquet.
    Columns(SchemaRef),
}

/// Rows of consecutive keys, ready to be written.
#[derive(Debug)]
pub enum Part {
    /// Whole lines.
    Text(Vec<u8>),
    /// The rows as columns.
    Batch(RecordBatch),
}

impl Encoder {
    /// The columns of `kind`: ids as text, rank from 1, 32 bits each for rank and score.
    pub fn columns(kind: Kind) -> Self {
        let field = |name: &str, of| Field::new(name, of, false);
        Self::Columns(Arc::new(Schema::new(vec![
            field(kind.key_column(), DataType::Utf8),
            field("rank", DataType::Int32),
            field(kind.answer_column(), DataType::Utf8),
            field("score", DataType::Float32),
        ])))
    }

    /// The header line of text files, with its line end; else empty.
    pub fn header(&self) -> String {
        match self {
            Self::Delimited { delimiter, kind, .. } => {
                let names = [kind.key_column(), "rank", kind.answer_column(), "score"];
                names.join(&char::from(*delimiter).to_string()) + "\n"
            }
            Self::JsonLines(_) | Self::Columns(_) => String::new(),
        }
    }

    /// An empty part.
    pub fn part(&self) -> PartBuilder {
        match self {
            Self::Delimited { delimiter, neutralize, .. } => PartBuilder::Delimited {
                cells: Cells { delimiter: *delimiter, neutralize: *neutralize },
                key: Vec::new(),
                out: Vec::new(),
            },
            Self::JsonLines(kind) => PartBuilder::JsonLines { kind: *kind, key: Vec::new(), out: Vec::new() },
            Self::Columns(schema) => PartBuilder::Columns(Box::new(Columns {
                schema: schema.clone(),
                key: StringBuilder::new(),
                rank: Int32Builder::new(),
                answer: StringBuilder::new(),
                score: Float32Builder::new(),
            })),
        }
    }
}

/// A part under construction. `key` is the common beginning of all rows of a key, encoded once.
pub enum PartBuilder {
    /// See [`Encoder::Delimited`].
    Delimited {
        /// Writes cells.
        cells: Cells,
        /// The key's cell.
        key: Vec<u8>,
        /// Rows so far.
        out: Vec<u8>,
    },
    /// See [`Encoder::JsonLines`].
    JsonLines {
        /// Decides the names of the columns.
        kind: Kind,
        /// The object up to the rank.
        key: Vec<u8>,
        /// Rows so far.
        out: Vec<u8>,
    },
    /// See [`Encoder::Columns`].
    Columns(Box<Columns>),
}

/// Columns under construction.
pub struct Columns {
    schema: SchemaRef,
    key: StringBuilder,
    rank: Int32Builder,
    answer: StringBuilder,
    score: Float32Builder,
}

impl PartBuilder {
    /// Adds the rows of one key, best first; `vocabulary` has the ids of the answers.
    ///
    /// # Errors
    /// Never in practice: writing to memory does not fail.
    pub fn push(&mut self, key_id: &str, answer: &[Scored], vocabulary: &Vocabulary) -> anyhow::Result<()> {
        match self {
            Self::Delimited { cells, key, out } => {
                key.clear();
                cells.write(key, key_id);
                for (n, found) in answer.iter().enumerate() {
                    out.extend_from_slice(key);
                    out.push(cells.delimiter);
                    write!(out, "{}", n + 1)?;
                    out.push(cells.delimiter);
                    cells.write(out, vocabulary.id(found.ix));
                    out.push(cells.delimiter);
                    serde_json::to_writer(&mut *out, &found.score)?;
                    out.push(b'\n');
                }
            }
            Self::JsonLines { kind, key, out } => {
                key.clear();
                write!(key, "{{\"{}\":", kind.key_column())?;
                serde_json::to_writer(&mut *key, key_id)?;
                for (n, found) in answer.iter().enumerate() {
                    out.extend_from_slice(key);
                    write!(out, ",\"rank\":{},\"{}\":", n + 1, kind.answer_column())?;
                    serde_json::to_writer(&mut *out, vocabulary.id(found.ix))?;
                    out.extend_from_slice(b",\"score\":");
                    serde_json::to_writer(&mut *out, &found.score)?;
                    out.extend_from_slice(b"}\n");
                }
            }
            Self::Columns(columns) => columns.push(key_id, answer, vocabulary),
        }
        Ok(())
    }

    /// The finished part.
    ///
    /// # Errors
    /// Never in practice: all columns have the same length.
    pub fn finish(self) -> anyhow::Result<Part> {
        match self {
            Self::Delimited { out, .. } | Self::JsonLines { out, .. } => Ok(Part::Text(out)),
            Self::Columns(columns) => columns.finish(),
        }
    }
}

impl Columns {
    fn push(&mut self, key: &str, answer: &[Scored], vocabulary: &Vocabulary) {
        // Answers have at most 100,000 rows, so the rank fits.
        for (rank, found) in (1..).zip(answer) {
            self.key.append_value(key);
            self.rank.append_value(rank);
            self.answer.append_value(vocabulary.id(found.ix));
            self.score.append_value(found.score);
        }
    }

    fn finish(mut self) -> anyhow::Result<Part> {
        let columns: Vec<ArrayRef> = vec![
            Arc::new(self.key.finish()),
            Arc::new(self.rank.finish()),
            Arc::new(self.answer.finish()),
            Arc::new(self.score.finish()),
        ];
        Ok(Part::Batch(RecordBatch::try_new(self.schema, columns)?))
    }
}

/// The settings for writing text cells of a delimited file.
#[derive(Debug, Clone, Copy)]
pub struct Cells {
    delimiter: u8,
    neutralize: bool,
}

impl Cells {
    /// Appends one cell, quoted as RFC 4180 requires.
    fn write(self, out: &mut Vec<u8>, text: &str) {
        let formula = self.neutralize && text.starts_with(['=', '+', '-', '@', '\t', '\r']);
        let mark = if formula { "'" } else { "" };
        if !text.bytes().any(|byte| byte == self.delimiter || matches!(byte, b'"' | b'\n' | b'\r')) {
            out.extend_from_slice(mark.as_bytes());
            return out.extend_from_slice(text.as_bytes());
        }
        out.push(b'"');
        out.extend_from_slice(mark.as_bytes());
        out.extend_from_slice(text.replace('"', "\"\"").as_bytes());
        out.push(b'"');
    }
}

#[cfg(test)]
mod tests {
    use super::Cells;

    #[test]
    fn formulas_are_neutralized_only_where_asked_for() {
        let written = |text: &str, neutralize| {
            let mut out = Vec::new();
            Cells { delimiter: b',', neutralize }.write(&mut out, text);
            String::from_utf8_lossy(&out).into_owned()
        };
        for (text, neutral) in [("=1+1", "'=1+1"), ("@x", "'@x"), ("-2,3", "\"'-2,3\""), ("a=1", "a=1")] {
            assert_eq!(written(text, true), neutral);
        }
        assert_eq!((written("=1+1", false), written("-2,3", false)), ("=1+1".into(), "\"-2,3\"".into()));
    }
}
