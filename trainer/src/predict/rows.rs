//! Answers in their outside form: key, rank, what was found, score.

use std::io::Write;
use std::sync::Arc;

use arrow_array::builder::{Float32Builder, Int32Builder, StringBuilder};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use qianmian_models::ids::Vocabulary;
use qianmian_models::kernels::topk::Scored;

use super::Kind;

/// How rows are written.
#[derive(Debug, Clone)]
pub enum Encoder {
    /// CSV or TSV, by the delimiter.
    Delimited(u8, Kind),
    /// One JSON object a line.
    JsonLines(Kind),
    /// Arrow columns, for Parquet.
    Columns(SchemaRef),
}

/// Rows of consecutive keys, ready to be written.
#[derive(Debug)]
pub enum Part {
    /// Whole lines.
    Text(Vec<u8>),
    /// The same as columns.
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

    /// What text begins with.
    pub fn header(&self) -> String {
        match self {
            Self::Delimited(delimiter, kind) => {
                let names = [kind.key_column(), "rank", kind.answer_column(), "score"];
                names.join(&char::from(*delimiter).to_string()) + "\n"
            }
            Self::JsonLines(_) | Self::Columns(_) => String::new(),
        }
    }

    /// An empty part.
    pub fn part(&self) -> PartBuilder {
        match self {
            Self::Delimited(delimiter, _) => {
                PartBuilder::Delimited { delimiter: *delimiter, key: Vec::new(), out: Vec::new() }
            }
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

/// A part under way. `key` is the beginning that all rows of a key share, encoded once.
pub enum PartBuilder {
    /// See [`Encoder::Delimited`].
    Delimited {
        /// Between two cells.
        delimiter: u8,
        /// The key's cell.
        key: Vec<u8>,
        /// Rows so far.
        out: Vec<u8>,
    },
    /// See [`Encoder::JsonLines`].
    JsonLines {
        /// It gives the names.
        kind: Kind,
        /// The object up to the rank.
        key: Vec<u8>,
        /// Rows so far.
        out: Vec<u8>,
    },
    /// See [`Encoder::Columns`].
    Columns(Box<Columns>),
}

/// Columns under way.
pub struct Columns {
    schema: SchemaRef,
    key: StringBuilder,
    rank: Int32Builder,
    answer: StringBuilder,
    score: Float32Builder,
}

impl PartBuilder {
    /// Adds the rows of one key, best first; `vocabulary` has the ids of what was found.
    ///
    /// # Errors
    /// Never in practice: writing to memory does not fail.
    pub fn push(&mut self, key_id: &str, answer: &[Scored], vocabulary: &Vocabulary) -> anyhow::Result<()> {
        match self {
            Self::Delimited { delimiter, key, out } => {
                key.clear();
                cell(key, key_id, *delimiter);
                for (n, found) in answer.iter().enumerate() {
                    out.extend_from_slice(key);
                    out.push(*delimiter);
                    write!(out, "{}", n + 1)?;
                    out.push(*delimiter);
                    cell(out, vocabulary.id(found.ix), *delimiter);
                    out.push(*delimiter);
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

    /// The part, whole.
    ///
    /// # Errors
    /// Never in practice: the columns are as long as each other.
    pub fn finish(self) -> anyhow::Result<Part> {
        match self {
            Self::Delimited { out, .. } | Self::JsonLines { out, .. } => Ok(Part::Text(out)),
            Self::Columns(columns) => columns.finish(),
        }
    }
}

impl Columns {
    fn push(&mut self, key: &str, answer: &[Scored], vocabulary: &Vocabulary) {
        // Answers have at most 100,000 rows.
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

/// One cell, quoted where RFC 4180 asks for it.
fn cell(out: &mut Vec<u8>, text: &str, delimiter: u8) {
    if !text.bytes().any(|byte| byte == delimiter || matches!(byte, b'"' | b'\n' | b'\r')) {
        return out.extend_from_slice(text.as_bytes());
    }
    out.push(b'"');
    out.extend_from_slice(text.replace('"', "\"\"").as_bytes());
    out.push(b'"');
}
