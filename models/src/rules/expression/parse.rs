//! From the source to a tree of the `cel` crate, bounded before anything recursive walks it.

use cel::common::ast::{Expr, IdedExpr, operators};
use cel::parser::PrattParser;

use super::ExpressionError;
use super::bounds::{MAX_DEPTH, MAX_LIST, MAX_NODES, limit};

/// Nodes that the macro of a comprehension adds around its body.
const NODES_OF_MACRO: usize = 12;

/// Parses a source that passed [`bounds`](super::bounds).
pub fn parse(source: &str) -> Result<IdedExpr, ExpressionError> {
    // Brackets were counted; the parser counts prefixes and branches, too.
    let parser =
        PrattParser::new().max_recursion_depth(2 * MAX_DEPTH as u16).max_expression_node_count(2 * MAX_NODES);
    let tree = parser.parse(source).map_err(|errors| {
        let first = errors.errors.into_iter().next();
        let (line, column) = first.as_ref().map_or((1, 1), |error| error.pos);
        let message = first.map_or_else(|| "it is no expression".to_owned(), |error| shortened(&error.msg));
        let from_one = |n: isize| usize::try_from(n).unwrap_or_default().max(1);
        ExpressionError::Syntax { line: from_one(line), column: from_one(column), message }
    })?;
    check(&tree)?;
    Ok(tree)
}

/// The first line of the parser's message: it may list every token that it knows.
fn shortened(message: &str) -> String {
    let line = message.lines().next().unwrap_or_default();
    line.chars().take(120).collect()
}

/// Counts nodes and depth without recursion. Operands of one chain of `&&` or of `||` are at the same depth.
fn check(tree: &IdedExpr) -> Result<(), ExpressionError> {
    let mut nodes = 0;
    // With the operator of the chain that the node is in, and the comprehensions around it.
    let mut open: Vec<(&IdedExpr, usize, &str, usize)> = vec![(tree, 1, "", 0)];
    while let Some((node, depth, chain, around)) = open.pop() {
        nodes += 1;
        limit("the number of its parts", MAX_NODES, nodes)?;
        limit("nesting", MAX_DEPTH, depth)?;
        match &node.expr {
            Expr::Call(call) => {
                let name = call.func_name.as_str();
                let is_chain = [operators::LOGICAL_AND, operators::LOGICAL_OR].contains(&name);
                let depth = if is_chain && name == chain { depth } else { depth + 1 };
                let chain = if is_chain { name } else { "" };
                open.extend(call.target.iter().map(|target| (&**target, depth, chain, around)));
                open.extend(call.args.iter().map(|argument| (argument, depth, chain, around)));
            }
            Expr::Select(select) => open.push((&select.operand, depth + 1, "", around)),
            Expr::List(list) => {
                limit("a list in elements", MAX_LIST, list.elements.len())?;
                // Elements are constants; they count by their list's bound.
                let is_plain = |element: &&IdedExpr| !matches!(element.expr, Expr::Literal(_));
                open.extend(
                    list.elements.iter().filter(is_plain).map(|element| (element, depth + 1, "", around)),
                );
            }
            Expr::Comprehension(comprehension) => {
                if around > 0 {
                    return Err(ExpressionError::Unsupported("a comprehension inside another".to_owned()));
                }
                nodes = nodes.saturating_sub(NODES_OF_MACRO);
                open.push((&comprehension.iter_range, depth + 1, "", around + 1));
                let parts = [
                    &comprehension.accu_init,
                    &comprehension.loop_cond,
                    &comprehension.loop_step,
                    &comprehension.result,
                ];
                open.extend(parts.map(|part| (part, depth, "", around + 1)));
            }
            Expr::Map(_) => return Err(ExpressionError::Unsupported("a map".to_owned())),
            Expr::Struct(_) => return Err(ExpressionError::Unsupported("a struct".to_owned())),
            Expr::Unspecified | Expr::Ident(_) | Expr::Literal(_) => {}
        }
    }
    Ok(())
}
