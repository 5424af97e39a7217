//! From the parsed tree to a typed one: names become fields, types are checked, constants are folded, and what reads the
//! request alone is taken out so that it is evaluated once.

use cel::common::ast::{CallExpr, ComprehensionExpr, Expr, IdedExpr, LiteralValue, operators};
use qianmian_suggest::nearest;
use rustc_hash::FxHashSet;

use super::ExpressionError::{self, Unsupported};
use super::Reads;
use super::eval::{Env, eval};
use super::fields::{ITEM, REQUEST, Type};
use super::value::Owned;

/// Texts of a constant list from which on a set is faster than comparing one by one.
const SET_FROM: usize = 8;
/// Name of the comprehension's own variable, as the parser's macros write it.
const RESULT: &str = "@result";

/// A part of a compiled expression. Field numbers are rows of [`ITEM`] and [`REQUEST`].
#[derive(Debug, Clone, PartialEq)]
pub enum Node {
    Constant(Owned),
    Item(usize),
    Request(usize),
    Param(String),
    /// A part that was evaluated for the request.
    Hoisted(usize),
    /// The element of the comprehension around it.
    Element,
    Has(Box<Node>),
    Not(Box<Node>),
    Negate(Box<Node>),
    Size(Box<Node>),
    And(Vec<Node>),
    Or(Vec<Node>),
    If(Box<[Node; 3]>),
    Compare(Comparison, Box<(Node, Node)>),
    Arithmetic(Arithmetic, Box<(Node, Node)>),
    Test(Test, Box<(Node, Node)>),
    In(Box<(Node, Node)>),
    InSet(Box<Node>, FxHashSet<String>),
    Exists(Box<(Node, Node)>),
    All(Box<(Node, Node)>),
}

/// A comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    Equal,
    NotEqual,
    Less,
    AtMost,
    Greater,
    AtLeast,
}

impl Comparison {
    /// True if two values in this order satisfy it.
    pub fn holds(self, ordering: std::cmp::Ordering) -> bool {
        match self {
            Self::Equal => ordering.is_eq(),
            Self::NotEqual => ordering.is_ne(),
            Self::Less => ordering.is_lt(),
            Self::AtMost => ordering.is_le(),
            Self::Greater => ordering.is_gt(),
            Self::AtLeast => ordering.is_ge(),
        }
    }
}

/// An operator of two numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

/// A function of two texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Test {
    Contains,
    StartsWith,
    EndsWith,
}

/// A compiled expression.
pub struct Compiled {
    pub root: Node,
    pub hoisted: Vec<Node>,
    pub params: Vec<String>,
    pub reads: Reads,
}

/// Compiles a tree whose depth was checked.
pub fn compile(tree: &IdedExpr) -> Result<Compiled> {
    let mut compiler = Compiler::default();
    let part = compiler.part(tree)?;
    expect("an expression", Type::Bool, part.kind)?;
    let reads =
        Reads { live: compiler.live, item: part.item, request: compiler.request, cost: compiler.cost };
    let root = compiler.hoist(part).node;
    Ok(Compiled { root, hoisted: compiler.hoisted, params: compiler.params, reads })
}

/// A compiled part, its type, and what it reads.
struct Part {
    node: Node,
    kind: Type,
    item: bool,
    request: bool,
    element: bool,
}

#[derive(Default)]
struct Compiler {
    hoisted: Vec<Node>,
    params: Vec<String>,
    /// The variable of the comprehension that is compiled, and its type.
    element: Option<(String, Type)>,
    /// Inside `has`, whose parameters may be absent.
    tested: bool,
    live: bool,
    request: bool,
    cost: bool,
}

type Result<T> = std::result::Result<T, ExpressionError>;

impl Compiler {
    fn part(&mut self, tree: &IdedExpr) -> Result<Part> {
        match &tree.expr {
            Expr::Literal(literal) => constant(literal),
            Expr::List(list) => constants(&list.elements),
            Expr::Ident(name) => self.variable(name),
            Expr::Select(select) => self.field(&select.operand, &select.field, select.test),
            Expr::Call(call) => self.call(call),
            Expr::Comprehension(comprehension) => self.comprehension(comprehension),
            Expr::Map(_) | Expr::Struct(_) | Expr::Unspecified => {
                Err(Unsupported("a map or a struct".to_owned()))
            }
        }
    }

    fn variable(&self, name: &str) -> Result<Part> {
        match &self.element {
            Some((element, kind)) if element == name => {
                Ok(Part { node: Node::Element, kind: *kind, item: false, request: false, element: true })
            }
            _ if ["item", "user", "context", "params"].contains(&name) => {
                Err(Unsupported(format!("`{name}` without a field")))
            }
            _ => {
                let known = ["item", "user", "context", "params"];
                Err(ExpressionError::Unknown {
                    name: name.to_owned(),
                    nearest: nearest(name, known).map(str::to_owned),
                })
            }
        }
    }

    /// `operand.field`, or `has(operand.field)`.
    fn field(&mut self, operand: &IdedExpr, field: &str, test: bool) -> Result<Part> {
        let Expr::Ident(object) = &operand.expr else {
            return Err(Unsupported(
                "a field of anything but `item`, `user`, `context` and `params`".to_owned(),
            ));
        };
        let tested = std::mem::replace(&mut self.tested, test);
        let part = self.field_of(object, field);
        self.tested = tested;
        let part = part?;
        if !test {
            return Ok(part);
        }
        Ok(self.join(Type::Bool, [part], |[inner]| Node::Has(Box::new(inner))))
    }

    fn field_of(&mut self, object: &str, field: &str) -> Result<Part> {
        let unknown = |known: Vec<&str>| ExpressionError::Unknown {
            name: format!("{object}.{field}"),
            nearest: nearest(field, known).map(|name| format!("{object}.{name}")),
        };
        match object {
            "item" => {
                let names = || ITEM.iter().map(|row| row.name).collect();
                let n = ITEM.iter().position(|row| row.name == field).ok_or_else(|| unknown(names()))?;
                self.live |= ITEM[n].live;
                self.cost |= ITEM[n].name == "cost";
                Ok(Part {
                    node: Node::Item(n),
                    kind: ITEM[n].kind,
                    item: true,
                    request: false,
                    element: false,
                })
            }
            "user" | "context" => {
                let of_object = |name: &'static str| name.strip_prefix(object)?.strip_prefix('.');
                let names = || REQUEST.iter().filter_map(|row| of_object(row.name)).collect();
                let is_it = |row: &super::fields::RequestField| of_object(row.name) == Some(field);
                let n = REQUEST.iter().position(is_it).ok_or_else(|| unknown(names()))?;
                self.request = true;
                let kind = REQUEST[n].kind;
                Ok(Part { node: Node::Request(n), kind, item: false, request: true, element: false })
            }
            "params" => {
                self.request = true;
                if !self.tested && !self.params.iter().any(|known| known == field) {
                    self.params.push(field.to_owned());
                }
                let node = Node::Param(field.to_owned());
                Ok(Part { node, kind: Type::Any, item: false, request: true, element: false })
            }
            _ => self.variable(object),
        }
    }

    fn call(&mut self, call: &CallExpr) -> Result<Part> {
        let name = call.func_name.as_str();
        if name == operators::LOGICAL_AND || name == operators::LOGICAL_OR {
            return self.chain(call, name);
        }
        let arguments: Vec<&IdedExpr> =
            call.target.iter().map(|target| &**target).chain(&call.args).collect();
        match (name, arguments.as_slice()) {
            (operators::LOGICAL_NOT, [a]) => self.unary("`!`", a, Type::Bool, Type::Bool, Node::Not),
            (operators::NEGATE, [a]) => self.unary("`-`", a, Type::Number, Type::Number, Node::Negate),
            ("size", [a]) => self.size(a),
            (operators::CONDITIONAL, [condition, yes, no]) => self.conditional(condition, yes, no),
            (operators::IN, [element, list]) => self.is_in(element, list),
            (name, [a, b]) => self.binary(name, a, b),
            (name, _) => Err(Unsupported(format!("`{}`", name.chars().take(60).collect::<String>()))),
        }
    }

    /// `a && b && ...`: one node for the whole chain.
    fn chain(&mut self, call: &CallExpr, name: &str) -> Result<Part> {
        let mut operands = Vec::new();
        let mut open: Vec<&IdedExpr> = call.args.iter().rev().collect();
        while let Some(tree) = open.pop() {
            match &tree.expr {
                Expr::Call(inner) if inner.func_name == name => open.extend(inner.args.iter().rev()),
                _ => operands.push(tree),
            }
        }
        let mut parts = Vec::with_capacity(operands.len());
        for operand in operands {
            let part = self.part(operand)?;
            expect(if name == operators::LOGICAL_AND { "`&&`" } else { "`||`" }, Type::Bool, part.kind)?;
            parts.push(part);
        }
        let is_and = name == operators::LOGICAL_AND;
        Ok(self.join_all(Type::Bool, parts, |nodes| if is_and { Node::And(nodes) } else { Node::Or(nodes) }))
    }

    fn unary(
        &mut self,
        place: &str,
        a: &IdedExpr,
        takes: Type,
        gives: Type,
        node: fn(Box<Node>) -> Node,
    ) -> Result<Part> {
        let a = self.part(a)?;
        expect(place, takes, a.kind)?;
        Ok(self.join(gives, [a], |[a]| node(Box::new(a))))
    }

    fn size(&mut self, a: &IdedExpr) -> Result<Part> {
        let a = self.part(a)?;
        if matches!(a.kind, Type::Bool | Type::Number) {
            return Err(mismatch("`size`", "a text or a list", a.kind));
        }
        Ok(self.join(Type::Number, [a], |[a]| Node::Size(Box::new(a))))
    }

    fn conditional(&mut self, condition: &IdedExpr, yes: &IdedExpr, no: &IdedExpr) -> Result<Part> {
        let parts = [self.part(condition)?, self.part(yes)?, self.part(no)?];
        expect("the condition of `? :`", Type::Bool, parts[0].kind)?;
        if !parts[1].kind.fits(parts[2].kind) {
            return Err(mismatch("`? :`", parts[1].kind.name(), parts[2].kind));
        }
        let kind = if parts[1].kind == Type::Any { parts[2].kind } else { parts[1].kind };
        Ok(self.join(kind, parts, |parts| Node::If(Box::new(parts))))
    }

    fn is_in(&mut self, element: &IdedExpr, list: &IdedExpr) -> Result<Part> {
        let (element, list) = (self.part(element)?, self.part(list)?);
        match list.kind {
            Type::Texts => expect("`in` a list of texts", Type::Text, element.kind)?,
            Type::Numbers => expect("`in` a list of numbers", Type::Number, element.kind)?,
            Type::Any => {}
            other => return Err(mismatch("`in`", "a list", other)),
        }
        Ok(self.join(Type::Bool, [element, list], |[element, list]| match list {
            Node::Constant(Owned::Texts(texts)) if texts.len() >= SET_FROM => {
                Node::InSet(Box::new(element), texts.into_iter().collect())
            }
            list => Node::In(Box::new((element, list))),
        }))
    }

    fn binary(&mut self, name: &str, a: &IdedExpr, b: &IdedExpr) -> Result<Part> {
        let (a, b) = (self.part(a)?, self.part(b)?);
        let comparison = match name {
            operators::EQUALS => Some(Comparison::Equal),
            operators::NOT_EQUALS => Some(Comparison::NotEqual),
            operators::LESS => Some(Comparison::Less),
            operators::LESS_EQUALS => Some(Comparison::AtMost),
            operators::GREATER => Some(Comparison::Greater),
            operators::GREATER_EQUALS => Some(Comparison::AtLeast),
            _ => None,
        };
        if let Some(how) = comparison {
            let place = format!("`{}`", name.trim_matches('_'));
            for kind in [a.kind, b.kind] {
                if matches!(kind, Type::Texts | Type::Numbers) {
                    return Err(mismatch(&place, "single values; use `in` or `exists` for lists", kind));
                }
            }
            if !a.kind.fits(b.kind) {
                return Err(mismatch(&place, a.kind.name(), b.kind));
            }
            return Ok(self.join(Type::Bool, [a, b], |[a, b]| Node::Compare(how, Box::new((a, b)))));
        }
        let arithmetic = match name {
            operators::ADD => Some(Arithmetic::Add),
            operators::SUBSTRACT => Some(Arithmetic::Subtract),
            operators::MULTIPLY => Some(Arithmetic::Multiply),
            operators::DIVIDE => Some(Arithmetic::Divide),
            operators::MODULO => Some(Arithmetic::Remainder),
            _ => None,
        };
        if let Some(how) = arithmetic {
            let place = format!("`{}`", name.trim_matches('_'));
            expect(&place, Type::Number, a.kind)?;
            expect(&place, Type::Number, b.kind)?;
            return Ok(self.join(Type::Number, [a, b], |[a, b]| Node::Arithmetic(how, Box::new((a, b)))));
        }
        let test = match name {
            "contains" => Test::Contains,
            "startsWith" => Test::StartsWith,
            "endsWith" => Test::EndsWith,
            _ => return Err(Unsupported(format!("`{}`", name.chars().take(60).collect::<String>()))),
        };
        if test == Test::Contains && matches!(a.kind, Type::Texts | Type::Numbers) {
            return Err(mismatch("`contains`", "a text; use `in` for lists", a.kind));
        }
        expect(&format!("`{name}`"), Type::Text, a.kind)?;
        expect(&format!("`{name}`"), Type::Text, b.kind)?;
        Ok(self.join(Type::Bool, [a, b], |[a, b]| Node::Test(test, Box::new((a, b)))))
    }

    /// `list.exists(x, ...)` and `list.all(x, ...)`, told from other macros by their steps.
    fn comprehension(&mut self, macro_: &ComprehensionExpr) -> Result<Part> {
        let refused = || Unsupported("a comprehension other than `exists` and `all`".to_owned());
        let Expr::Call(step) = &macro_.loop_step.expr else { return Err(refused()) };
        let is_exists = match step.func_name.as_str() {
            operators::LOGICAL_OR => true,
            operators::LOGICAL_AND => false,
            _ => return Err(refused()),
        };
        let [Expr::Ident(first), _] = [&step.args.first().ok_or_else(refused)?.expr, &macro_.result.expr]
        else {
            return Err(refused());
        };
        let body =
            step.args.get(1).filter(|_| first == RESULT && macro_.accu_var == RESULT).ok_or_else(refused)?;
        if macro_.iter_var2.is_some() {
            return Err(refused());
        }
        let list = self.part(&macro_.iter_range)?;
        let of = match list.kind {
            Type::Texts => Type::Text,
            Type::Numbers => Type::Number,
            Type::Any => Type::Any,
            other => return Err(mismatch("a comprehension", "a list", other)),
        };
        self.element = Some((macro_.iter_var.clone(), of));
        let body = self.part(body);
        self.element = None;
        let body = body?;
        expect("the body of a comprehension", Type::Bool, body.kind)?;
        let mut part = self.join(Type::Bool, [list, body], |[list, body]| {
            let sides = Box::new((list, body));
            if is_exists { Node::Exists(sides) } else { Node::All(sides) }
        });
        part.element = false;
        Ok(part)
    }

    fn join<const N: usize>(
        &mut self,
        kind: Type,
        parts: [Part; N],
        node: impl FnOnce([Node; N]) -> Node,
    ) -> Part {
        self.join_all(kind, parts.into(), |nodes| match <[Node; N]>::try_from(nodes) {
            Ok(nodes) => node(nodes),
            Err(_) => unreachable!("as many nodes as parts"),
        })
    }

    /// The parts under one node. Parts that read the request alone are taken out where another part reads the item, and
    /// constants are folded.
    fn join_all(&mut self, kind: Type, parts: Vec<Part>, node: impl FnOnce(Vec<Node>) -> Node) -> Part {
        let (item, request) = (parts.iter().any(|p| p.item), parts.iter().any(|p| p.request));
        let element = parts.iter().any(|p| p.element);
        let parts: Vec<Part> =
            if item { parts.into_iter().map(|part| self.hoist(part)).collect() } else { parts };
        let joined = node(parts.into_iter().map(|part| part.node).collect());
        let is_constant = !item && !request && !element;
        let node =
            if is_constant { Node::Constant(eval(&joined, &Env::default()).to_owned()) } else { joined };
        Part { node, kind, item, request, element }
    }

    /// The part, evaluated once a request if it reads the request alone.
    fn hoist(&mut self, part: Part) -> Part {
        if part.item || part.element || !part.request {
            return part;
        }
        let known = self.hoisted.iter().position(|node| *node == part.node);
        let n = known.unwrap_or_else(|| {
            self.hoisted.push(part.node);
            self.hoisted.len() - 1
        });
        Part { node: Node::Hoisted(n), kind: part.kind, item: false, request: true, element: false }
    }
}

fn expect(place: &str, wanted: Type, got: Type) -> Result<()> {
    if got.fits(wanted) { Ok(()) } else { Err(mismatch(place, wanted.name(), got)) }
}

fn mismatch(place: &str, expected: &'static str, got: Type) -> ExpressionError {
    ExpressionError::Type { place: place.to_owned(), expected, got: got.name() }
}

fn constant(literal: &LiteralValue) -> Result<Part> {
    let (value, kind) = match literal {
        LiteralValue::Boolean(value) => (Owned::Bool(*value.inner()), Type::Bool),
        LiteralValue::Int(value) => (Owned::Number(*value.inner() as f64), Type::Number),
        LiteralValue::UInt(value) => (Owned::Number(*value.inner() as f64), Type::Number),
        LiteralValue::Double(value) => (Owned::Number(*value.inner()), Type::Number),
        LiteralValue::String(value) => (Owned::Text(value.inner().to_owned()), Type::Text),
        LiteralValue::Bytes(_) => return Err(Unsupported("a text of bytes".to_owned())),
        LiteralValue::Null => return Err(Unsupported("`null`; `has(...)` tells what is known".to_owned())),
    };
    Ok(Part { node: Node::Constant(value), kind, item: false, request: false, element: false })
}

/// A list of constants of one type.
fn constants(elements: &[IdedExpr]) -> Result<Part> {
    let (mut texts, mut numbers) = (Vec::new(), Vec::new());
    for element in elements {
        let refused = || Unsupported("a list of anything but constant texts or constant numbers".to_owned());
        let Expr::Literal(literal) = &element.expr else { return Err(refused()) };
        match constant(literal)?.node {
            Node::Constant(Owned::Text(text)) => texts.push(text),
            Node::Constant(Owned::Number(number)) => numbers.push(number),
            _ => return Err(refused()),
        }
    }
    let (value, kind) = match (texts.is_empty(), numbers.is_empty()) {
        (false, false) => return Err(Unsupported("a list of texts and numbers".to_owned())),
        (_, true) => (Owned::Texts(texts), Type::Texts),
        (true, false) => (Owned::Numbers(numbers), Type::Numbers),
    };
    Ok(Part { node: Node::Constant(value), kind, item: false, request: false, element: false })
}
