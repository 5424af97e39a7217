//! Evaluation: a walk over the compiled tree. It cannot fail: what is unknown or of another type is [`Value::Missing`].

use super::compile::{Arithmetic, Comparison, Node, Test};
use super::fields::{ITEM, REQUEST};
use super::value::{Texts, Value};
use crate::ids::ItemIx;
use crate::items::Items;
use crate::rules::expression::inputs::Inputs;
use crate::rules::expression::value::Owned;

/// The inputs of a tree.
#[derive(Clone, Copy, Default)]
pub struct Env<'a> {
    /// The item, outside of hoisted parts.
    pub item: Option<(Items<'a>, ItemIx)>,
    /// The request, inside hoisted parts.
    pub inputs: Option<&'a Inputs<'a>>,
    /// Values of the hoisted parts.
    pub values: &'a [Owned],
    /// The element that a comprehension is at.
    pub element: Option<Value<'a>>,
}

/// The value of a node.
pub fn eval<'a>(node: &'a Node, env: &Env<'a>) -> Value<'a> {
    match node {
        Node::Constant(value) => value.borrowed(),
        Node::Item(field) => {
            env.item.map_or(Value::Missing, |(items, item)| (ITEM[*field].read)(items, item))
        }
        Node::Request(field) => env.inputs.map_or(Value::Missing, |inputs| (REQUEST[*field].read)(inputs)),
        Node::Param(name) => env.inputs.and_then(|inputs| inputs.param(name)).unwrap_or(Value::Missing),
        Node::Hoisted(n) => env.values.get(*n).map_or(Value::Missing, Owned::borrowed),
        Node::Element => env.element.unwrap_or(Value::Missing),
        Node::Has(inner) => Value::Bool(match eval(inner, env) {
            Value::Missing => false,
            Value::Text(text) => !text.is_empty(),
            Value::Texts(texts) => texts.len() > 0,
            _ => true,
        }),
        Node::Not(inner) => match eval(inner, env) {
            Value::Bool(value) => Value::Bool(!value),
            _ => Value::Missing,
        },
        Node::And(parts) => chain(parts, env, false),
        Node::Or(parts) => chain(parts, env, true),
        Node::If(parts) => match eval(&parts[0], env) {
            Value::Bool(true) => eval(&parts[1], env),
            Value::Bool(false) => eval(&parts[2], env),
            _ => Value::Missing,
        },
        Node::Compare(how, sides) => compare(*how, eval(&sides.0, env), eval(&sides.1, env)),
        Node::In(sides) => is_in(eval(&sides.0, env), eval(&sides.1, env)),
        Node::InSet(inner, set) => match eval(inner, env) {
            Value::Text(text) => Value::Bool(set.contains(text)),
            _ => Value::Missing,
        },
        Node::Test(test, sides) => match (eval(&sides.0, env), eval(&sides.1, env)) {
            (Value::Text(text), Value::Text(part)) => Value::Bool(match test {
                Test::Contains => text.contains(part),
                Test::StartsWith => text.starts_with(part),
                Test::EndsWith => text.ends_with(part),
            }),
            _ => Value::Missing,
        },
        Node::Arithmetic(how, sides) => match (eval(&sides.0, env), eval(&sides.1, env)) {
            (Value::Number(a), Value::Number(b)) => Value::number(Some(match how {
                Arithmetic::Add => a + b,
                Arithmetic::Subtract => a - b,
                Arithmetic::Multiply => a * b,
                Arithmetic::Divide => a / b,
                Arithmetic::Remainder => a % b,
            })),
            _ => Value::Missing,
        },
        Node::Negate(inner) => match eval(inner, env) {
            Value::Number(value) => Value::Number(-value),
            _ => Value::Missing,
        },
        Node::Size(inner) => match eval(inner, env) {
            Value::Text(text) => Value::Number(text.chars().count() as f64),
            Value::Texts(texts) => Value::Number(texts.len() as f64),
            Value::Numbers(numbers) => Value::Number(numbers.len() as f64),
            _ => Value::Missing,
        },
        Node::Exists(sides) => over_elements(eval(&sides.0, env), &sides.1, env, true),
        Node::All(sides) => over_elements(eval(&sides.0, env), &sides.1, env, false),
    }
}

/// `||` (where `decisive` is true) or `&&`: the decisive value wins over unknown ones, as in CEL.
fn chain<'a>(parts: &'a [Node], env: &Env<'a>, decisive: bool) -> Value<'a> {
    let mut result = Value::Bool(!decisive);
    for part in parts {
        match eval(part, env) {
            Value::Bool(value) if value == decisive => return Value::Bool(decisive),
            Value::Bool(_) => {}
            _ => result = Value::Missing,
        }
    }
    result
}

/// `exists` (where `decisive` is true) or `all`.
fn over_elements<'a>(list: Value<'a>, body: &'a Node, env: &Env<'a>, decisive: bool) -> Value<'a> {
    let mut unknown = false;
    let mut decided = |element: Value<'a>| match eval(body, &Env { element: Some(element), ..*env }) {
        Value::Bool(value) => value == decisive,
        _ => {
            unknown = true;
            false
        }
    };
    let found = match list {
        Value::Texts(texts) => texts.any(|text| decided(Value::Text(text))),
        Value::Numbers(numbers) => numbers.iter().any(|&number| decided(Value::Number(number))),
        _ => return Value::Missing,
    };
    match (found, unknown) {
        (true, _) => Value::Bool(decisive),
        (false, true) => Value::Missing,
        (false, false) => Value::Bool(!decisive),
    }
}

fn compare<'a>(how: Comparison, a: Value<'a>, b: Value<'a>) -> Value<'a> {
    let ordering = match (a, b) {
        (Value::Number(a), Value::Number(b)) => a.partial_cmp(&b),
        (Value::Text(a), Value::Text(b)) => Some(a.cmp(b)),
        (Value::Bool(a), Value::Bool(b)) => Some(a.cmp(&b)),
        _ => None,
    };
    ordering.map_or(Value::Missing, |ordering| Value::Bool(how.holds(ordering)))
}

fn is_in<'a>(element: Value<'a>, list: Value<'a>) -> Value<'a> {
    match (element, list) {
        (Value::Text(text), Value::Texts(Texts::Slice(texts))) => {
            Value::Bool(texts.iter().any(|t| t == text))
        }
        (Value::Text(text), Value::Texts(texts)) => Value::Bool(texts.any(|t| t == text)),
        (Value::Number(number), Value::Numbers(numbers)) => Value::Bool(numbers.contains(&number)),
        _ => Value::Missing,
    }
}
