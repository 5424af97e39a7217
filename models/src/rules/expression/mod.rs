//! Expressions: predicates over `item`, `user`, `context` and `params`, in the Common Expression Language (CEL).
//!
//! The grammar is read by the `cel` crate; types, bounds and evaluation are ours, because an evaluation by that crate
//! costs microseconds and has no limit. A source is bounded before it is parsed (`bounds`), its tree before anything
//! recursive walks it (`parse`), and every field, operator and type is checked when it is compiled (`compile`). What is
//! left cannot fail and cannot run long: at most [`MAX_NODES`] steps, times the elements of the one list that a
//! comprehension walks.
//!
//! Differences from CEL: numbers are of one kind (`7 / 2` is 3.5), an unknown text is empty, and a predicate whose value
//! is unknown, such as a comparison with an unknown price, does not hold.
//!
//! Parts that read only the request are evaluated once a request ([`Expression::bind`]); the rest depends on the item
//! and on their values alone, so that it can be kept as a mask ([`masks`](super::masks)).

mod bounds;
mod compile;
mod eval;
pub mod fields;
pub mod inputs;
mod parse;
mod value;

use std::sync::Arc;

use xxhash_rust::xxh3::{Xxh3, xxh3_128};

use crate::ids::ItemIx;
use crate::items::Items;
pub use bounds::{MAX_BYTES, MAX_DEPTH, MAX_LIST, MAX_NODES};
use eval::{Env, eval};
use inputs::Inputs;
use value::Owned;
pub use value::{Owned as Param, Value};

/// A compiled predicate.
#[derive(Debug)]
pub struct Expression {
    source: String,
    /// Hash of the source: equal sources have equal values.
    id: u128,
    /// Reads items, constants and hoisted values.
    root: compile::Node,
    /// Parts that read the request alone, evaluated once a request.
    hoisted: Vec<compile::Node>,
    /// Names of the `params` that it reads, each once.
    params: Vec<String>,
    reads: Reads,
}

/// The inputs that an expression reads.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reads {
    /// Any field of `item`.
    pub item: bool,
    /// `item.price` or `item.stock`, which change between two models.
    pub live: bool,
    /// `user`, `context` or `params`.
    pub request: bool,
    /// `item.cost`, which is the shop's own business.
    pub cost: bool,
}

/// Why a source is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExpressionError {
    /// It is larger, deeper or has longer lists than allowed.
    #[error("{what} is {got}, at most {most}")]
    TooLarge {
        /// The bound.
        what: &'static str,
        /// Its limit.
        most: usize,
        /// The expression's.
        got: usize,
    },
    /// It is no CEL.
    #[error("line {line}, column {column}: {message}")]
    Syntax {
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
        /// The fault at that place.
        message: String,
    },
    /// A name that is not known.
    #[error("`{name}` is not known{}", suggestion(.nearest))]
    Unknown {
        /// The name.
        name: String,
        /// The known name that is most similar.
        nearest: Option<String>,
    },
    /// A part of CEL that is not supported.
    #[error("{0} is not supported in expressions")]
    Unsupported(String),
    /// An operand of another type than its operator takes.
    #[error("{place} takes {expected}, not {got}")]
    Type {
        /// The operator, function or place.
        place: String,
        /// The types that it takes.
        expected: &'static str,
        /// The type that it was given.
        got: &'static str,
    },
}

fn suggestion(nearest: &Option<String>) -> String {
    nearest.as_ref().map(|name| format!("; did you mean `{name}`?")).unwrap_or_default()
}

impl Expression {
    /// Compiles a predicate.
    ///
    /// # Errors
    /// See [`ExpressionError`].
    pub fn compile(source: &str) -> Result<Self, ExpressionError> {
        bounds::check(source)?;
        let tree = parse::parse(source)?;
        let compiled = compile::compile(&tree)?;
        Ok(Self {
            source: source.to_owned(),
            id: xxh3_128(source.as_bytes()),
            root: compiled.root,
            hoisted: compiled.hoisted,
            params: compiled.params,
            reads: compiled.reads,
        })
    }

    /// The text that it was compiled from.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The inputs that it reads.
    pub fn reads(&self) -> Reads {
        self.reads
    }

    /// Names of the `params` that it reads, each once, without those that it only tests with `has`.
    pub fn params(&self) -> &[String] {
        &self.params
    }

    /// The predicate for one request: evaluates what depends on the request alone.
    pub fn bind(self: &Arc<Self>, inputs: &Inputs<'_>) -> Bound {
        let value = |node| eval(node, &Env { inputs: Some(inputs), ..Env::default() }).to_owned();
        Bound { expression: Arc::clone(self), values: self.hoisted.iter().map(value).collect() }
    }

    /// True if it holds for a request, whatever the item: for conditions, which read no item.
    pub fn holds(self: &Arc<Self>, inputs: &Inputs<'_>) -> bool {
        self.bind(inputs).constant().unwrap_or(false)
    }
}

/// A predicate whose request is known: what is left to know is the item.
#[derive(Debug, Clone)]
pub struct Bound {
    expression: Arc<Expression>,
    values: Vec<Owned>,
}

impl Bound {
    /// True if it holds for `item`.
    pub fn holds(&self, items: Items<'_>, item: ItemIx) -> bool {
        let env = Env { item: Some((items, item)), values: &self.values, ..Env::default() };
        matches!(eval(&self.expression.root, &env), Value::Bool(true))
    }

    /// Its value for all items alike; `None` where it depends on the item.
    pub fn constant(&self) -> Option<bool> {
        if self.expression.reads.item {
            return None;
        }
        let env = Env { values: &self.values, ..Env::default() };
        Some(matches!(eval(&self.expression.root, &env), Value::Bool(true)))
    }

    /// True if its value for an item changes when the item's price or stock does.
    pub fn reads_live(&self) -> bool {
        self.expression.reads.live
    }

    /// Equal keys have equal values for all items.
    pub(super) fn key(&self) -> u128 {
        if self.values.is_empty() {
            return self.expression.id;
        }
        let mut hash = Xxh3::new();
        hash.update(&self.expression.id.to_le_bytes());
        self.values.iter().for_each(|value| value.hash_into(&mut hash));
        hash.digest128()
    }

    /// True if few different masks can come of it: nothing of the request but truth values is left in it.
    pub(super) fn is_common(&self) -> bool {
        self.values.iter().all(|value| matches!(value, Owned::Bool(_) | Owned::Missing))
    }
}

#[cfg(test)]
mod tests;
