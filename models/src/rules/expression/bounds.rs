//! Bounds of an expression that are checked before it is parsed: bytes, nesting, operators, elements.
//!
//! The parser and everything after it recurse as deep as brackets and operators nest, so both are counted first, in one
//! pass over the bytes. Quoted text counts as one token.

use super::ExpressionError;

/// Longest source, in bytes.
pub const MAX_BYTES: usize = 2_048;
/// Deepest nesting.
pub const MAX_DEPTH: usize = 32;
/// Most nodes of the tree; also most operators of the source.
pub const MAX_NODES: usize = 512;
/// Most elements of a list.
pub const MAX_LIST: usize = 256;
/// Most operators of a source. A flat chain of operators can become a tree as deep as it is long.
const MAX_OPERATORS: usize = 256;
/// Most consecutive prefix operators: each one nests.
const MAX_PREFIXES: usize = 8;

/// Checks a source.
pub fn check(source: &str) -> Result<(), ExpressionError> {
    limit("the source in bytes", MAX_BYTES, source.len())?;
    let bytes = source.as_bytes();
    let (mut depth, mut deepest, mut operators, mut prefixes) = (0usize, 0, 0, 0);
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        at += 1;
        match byte {
            b'"' | b'\'' => at = after_quoted(bytes, at - 1),
            b'/' if bytes.get(at) == Some(&b'/') => {
                at += bytes[at..].iter().position(|&byte| byte == b'\n').unwrap_or(bytes.len() - at);
                continue;
            }
            b'(' | b'[' | b'{' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            b'+' | b'-' | b'*' | b'/' | b'%' | b'<' | b'>' | b'=' | b'!' | b'&' | b'|' | b'?' | b'.' => {
                operators += 1;
                // `a == b` has two such bytes and no prefix; a run of more than a few is a bomb.
                prefixes += 1;
                limit("a run of operators", MAX_PREFIXES, prefixes)?;
                // The two bytes of `&&` or `<=` are one operator.
                if bytes
                    .get(at)
                    .is_some_and(|next| matches!((byte, next), (b'&', b'&') | (b'|', b'|') | (_, b'=')))
                {
                    at += 1;
                }
                continue;
            }
            b' ' | b'\t' | b'\n' | b'\r' => continue,
            _ => {}
        }
        prefixes = 0;
    }
    limit("nesting", MAX_DEPTH, deepest)?;
    limit("the number of operators", MAX_OPERATORS, operators)
}

/// `Err` where `got` is over `most`.
pub fn limit(what: &'static str, most: usize, got: usize) -> Result<(), ExpressionError> {
    if got <= most { Ok(()) } else { Err(ExpressionError::TooLarge { what, most, got }) }
}

/// The position after a text in quotes that begins at `start`, tripled quotes included.
fn after_quoted(bytes: &[u8], start: usize) -> usize {
    let quote = bytes[start];
    let closing: &[u8] = if bytes[start..].starts_with(&[quote; 3]) { &[quote; 3] } else { &[quote] };
    let mut at = start + closing.len();
    while at < bytes.len() {
        if bytes[at..].starts_with(closing) {
            return at + closing.len();
        }
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    bytes.len()
}
