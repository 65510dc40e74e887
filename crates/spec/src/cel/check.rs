//! Types and names of one clause.
//!
//! Turns what the parser made into a checked expression, or into the first mistake with its
//! place. What CEL allows and a condition has no use for is refused with a name.

use std::ops::Range;

use cel::common::ast::{CallExpr, Expr as Syntax, LiteralValue, operators};
use cel::parser::Expression;

use super::CompileError;
use super::expr::{Arithmetic, Comparison, Expr, Function};
use super::parse::Parsed;
use super::scope::{Entry, Scope, Type};
use super::value::written;
use crate::diagnostic::{did_you_mean, shown};

type Checked = Result<(Expr, Type), CompileError>;

/// Checks that a clause is a truth value.
pub(super) fn condition(text: &str, parsed: &Parsed, scope: &Scope) -> Result<Expr, CompileError> {
    let checker = Checker {
        text,
        parsed,
        scope,
    };
    let (expr, found) = checker.expr(&parsed.root)?;
    if found != Type::Bool {
        let message = format!(
            "a condition is true or false, and this is {found}; compare it, like `{} > 0`",
            first_name(&expr)
        );
        return Err(CompileError::new(0..text.len(), message));
    }
    Ok(expr)
}

fn first_name(expr: &Expr) -> String {
    let mut names = Vec::new();
    expr.names(&mut names);
    names
        .first()
        .map_or_else(|| "rows".to_owned(), |name| written(name))
}

struct Checker<'a> {
    text: &'a str,
    parsed: &'a Parsed,
    scope: &'a Scope,
}

impl Checker<'_> {
    fn wrong<T>(&self, node: &Expression, message: impl Into<String>) -> Result<T, CompileError> {
        let mut range = self.parsed.range(node.id);
        // The token of a call is its bracket; its name says more.
        if self.text[range.start..].starts_with('(') {
            let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
            range.start = self.text[..range.start].trim_end_matches(word).len();
        }
        Err(CompileError::new(range, message))
    }

    fn expr(&self, node: &Expression) -> Checked {
        match &node.expr {
            Syntax::Literal(literal) => self.literal(node, literal),
            Syntax::Ident(_) | Syntax::Select(_) => self.name(node),
            Syntax::Call(call) if call.func_name == operators::INDEX => self.name(node),
            Syntax::Call(call) => self.call(node, call),
            Syntax::List(_) => self.wrong(node, "a list stands only behind `in`"),
            Syntax::Comprehension(_) => self.wrong(node, "`all`, `exists`, `map` and `filter` have no use in a condition; there is no list to go through"),
            Syntax::Map(_) | Syntax::Struct(_) | Syntax::Unspecified => self.wrong(node, "braces have no use in a condition"),
        }
    }

    fn literal(&self, node: &Expression, literal: &LiteralValue) -> Checked {
        Ok(match literal {
            LiteralValue::Boolean(truth) => (Expr::Bool(*truth.inner()), Type::Bool),
            LiteralValue::Double(number) => (Expr::Number(*number.inner()), Type::Number),
            // Whole numbers are doubles here, so that `rows > 5` compares like with like.
            LiteralValue::Int(number) => (Expr::Number(*number.inner() as f64), Type::Number),
            LiteralValue::UInt(number) => (Expr::Number(*number.inner() as f64), Type::Number),
            LiteralValue::String(text) => (Expr::Text(text.inner().to_owned()), Type::Text),
            LiteralValue::Null | LiteralValue::Bytes(_) => {
                return self.wrong(
                    node,
                    "a condition knows numbers, texts and truth values, and this is none",
                );
            }
        })
    }

    fn typed(&self, node: &Expression, wanted: Type, whose: &str) -> Result<Expr, CompileError> {
        let (expr, found) = self.expr(node)?;
        if found == wanted {
            return Ok(expr);
        }
        Err(CompileError::new(
            self.extent(node),
            format!("{whose} takes {wanted}, and this is {found}"),
        ))
    }

    /// All bytes from the first to the last token of an expression.
    fn extent(&self, node: &Expression) -> Range<usize> {
        let own = self.parsed.range(node.id);
        let inner: Vec<&Expression> = match &node.expr {
            Syntax::Select(select) => vec![&select.operand],
            Syntax::Call(call) => call
                .target
                .iter()
                .map(|target| &**target)
                .chain(&call.args)
                .collect(),
            _ => Vec::new(),
        };
        let mut whole = inner
            .into_iter()
            .map(|node| self.extent(node))
            .fold(own, |all, one| {
                all.start.min(one.start)..all.end.max(one.end)
            });
        if let Syntax::Select(select) = &node.expr {
            // The token of a selection is its dot.
            whole.end = self.text[whole.start..]
                .find(&select.field)
                .map_or(whole.end, |at| {
                    (whole.start + at + select.field.len()).max(whole.end)
                });
        }
        whole
    }

    fn call(&self, node: &Expression, call: &CallExpr) -> Checked {
        let sign = sign(&call.func_name);
        let whose = format!("`{sign}`");
        let args = call.args.as_slice();
        if let Some(target) = &call.target {
            return self.wrong(
                target,
                format!("there is no function `{}` on this", shown(&call.func_name)),
            );
        }
        if let (Some(operator), [left, right]) = (arithmetic(&call.func_name), args) {
            let left = self.typed(left, Type::Number, &whose)?;
            let right = self.typed(right, Type::Number, &whose)?;
            return Ok((
                Expr::Arithmetic(operator, Box::new(left), Box::new(right)),
                Type::Number,
            ));
        }
        if let (Some(operator), [left, right]) = (comparison(&call.func_name), args) {
            return self.compare(node, operator, left, right, sign);
        }
        let bool_of = |node| self.typed(node, Type::Bool, &whose).map(Box::new);
        match (call.func_name.as_str(), args) {
            (operators::LOGICAL_AND, [left, right]) => {
                Ok((Expr::And(bool_of(left)?, bool_of(right)?), Type::Bool))
            }
            (operators::LOGICAL_OR, [left, right]) => {
                Ok((Expr::Or(bool_of(left)?, bool_of(right)?), Type::Bool))
            }
            (operators::LOGICAL_NOT, [inner]) => Ok((Expr::Not(bool_of(inner)?), Type::Bool)),
            (operators::NEGATE, [inner]) => Ok((
                Expr::Negative(Box::new(self.typed(inner, Type::Number, &whose)?)),
                Type::Number,
            )),
            (operators::CONDITIONAL, [condition, yes, no]) => {
                let condition = bool_of(condition)?;
                let (yes, kind) = self.expr(yes)?;
                let no = self.typed(no, kind, "the other branch")?;
                Ok((Expr::If(condition, Box::new(yes), Box::new(no)), kind))
            }
            (operators::IN, [item, list]) => self.member(item, list),
            (name, arguments) => self.function(node, name, arguments),
        }
    }

    fn compare(
        &self,
        node: &Expression,
        operator: Comparison,
        left: &Expression,
        right: &Expression,
        sign: &str,
    ) -> Checked {
        let (left, kind) = self.expr(left)?;
        let right = self.typed(right, kind, &format!("`{sign}` with {kind} on its left"))?;
        let ordered = !matches!(operator, Comparison::Equal | Comparison::NotEqual);
        if ordered && kind != Type::Number {
            return self.wrong(
                node,
                format!("`{sign}` compares numbers, and this is {kind}"),
            );
        }
        Ok((
            Expr::Compare(operator, Box::new(left), Box::new(right)),
            Type::Bool,
        ))
    }

    fn member(&self, item: &Expression, list: &Expression) -> Checked {
        let (item, kind) = self.expr(item)?;
        let Syntax::List(items) = &list.expr else {
            return self.wrong(list, "`in` takes a list, like `x in [1, 2]`");
        };
        let each = items
            .elements
            .iter()
            .map(|node| self.typed(node, kind, "this list"));
        Ok((
            Expr::In(Box::new(item), each.collect::<Result<_, _>>()?),
            Type::Bool,
        ))
    }

    fn function(&self, node: &Expression, name: &str, arguments: &[Expression]) -> Checked {
        let (function, wanted) = match name {
            "abs" => (Function::Abs, 1),
            "min" => (Function::Min, 2),
            "max" => (Function::Max, 2),
            _ => {
                let hint = did_you_mean(name, ["abs", "min", "max"]);
                let hint = if hint.is_empty() {
                    "; there is abs, min and max".to_owned()
                } else {
                    hint
                };
                return self.wrong(
                    node,
                    format!("there is no function `{}`{hint}", shown(name)),
                );
            }
        };
        if arguments.len() != wanted {
            return self.wrong(
                node,
                format!(
                    "`{name}` takes {wanted} argument{}",
                    if wanted == 1 { "" } else { "s" }
                ),
            );
        }
        let whose = format!("`{name}`");
        let each = arguments
            .iter()
            .map(|node| self.typed(node, Type::Number, &whose));
        Ok((
            Expr::Call(function, each.collect::<Result<_, _>>()?),
            Type::Number,
        ))
    }

    fn name(&self, node: &Expression) -> Checked {
        let mut segments = Vec::new();
        self.segments(node, &mut segments)?;
        let names: Vec<String> = segments.iter().map(|(name, _)| name.clone()).collect();
        let mut known = &self.scope.roots;
        let mut each: Option<&Entry> = None;
        for (index, (segment, range)) in segments.iter().enumerate() {
            let found = each.take().or_else(|| known.get(segment));
            let last = index + 1 == segments.len();
            let spelled = written(&names[..=index]);
            match found {
                Some(Entry::Value(kind)) if last => return Ok((Expr::Name(names), *kind)),
                Some(Entry::Value(kind)) => {
                    return Err(CompileError::new(
                        segments[index + 1].1.clone(),
                        format!("`{spelled}` is {kind} and has nothing behind a dot"),
                    ));
                }
                Some(Entry::Absent(why)) => return Err(CompileError::new(range.clone(), why)),
                Some(Entry::Record(inner)) if last => {
                    let fields: Vec<&str> = inner.keys().map(String::as_str).collect();
                    return Err(CompileError::new(
                        range.clone(),
                        format!(
                            "`{spelled}` is not a value; say which of it: {}",
                            fields.join(", ")
                        ),
                    ));
                }
                Some(Entry::Each(_)) if last => {
                    return Err(CompileError::new(
                        range.clone(),
                        format!("`{spelled}` is not a value; say which, like `{spelled}.NAME`"),
                    ));
                }
                Some(Entry::Record(inner)) => known = inner,
                Some(Entry::Each(inner)) => each = Some(inner),
                None => {
                    return Err(unknown(
                        &names[..index],
                        segment,
                        range.clone(),
                        known.keys(),
                    ));
                }
            }
        }
        self.wrong(node, "this is not a name")
    }

    /// The segments of a name, each with its bytes.
    fn segments(
        &self,
        node: &Expression,
        all: &mut Vec<(String, Range<usize>)>,
    ) -> Result<(), CompileError> {
        match &node.expr {
            Syntax::Ident(name) => all.push((name.clone(), self.parsed.range(node.id))),
            Syntax::Select(select) if select.test => {
                return self.wrong(
                    node,
                    "`has` has no use in a condition; every name here has a value",
                );
            }
            Syntax::Select(select) => {
                self.segments(&select.operand, all)?;
                let dot = self.parsed.range(node.id).end;
                let blank = self.text[dot..].len() - self.text[dot..].trim_start().len();
                let start = dot + blank;
                all.push((
                    select.field.clone(),
                    start..(start + select.field.len()).min(self.text.len()),
                ));
            }
            Syntax::Call(CallExpr {
                func_name, args, ..
            }) if func_name == operators::INDEX => match args.as_slice() {
                [operand, key] => {
                    self.segments(operand, all)?;
                    let Syntax::Literal(LiteralValue::String(name)) = &key.expr else {
                        return self
                            .wrong(key, "write a text in these brackets, like `[\"a name\"]`");
                    };
                    all.push((name.inner().to_owned(), self.parsed.range(key.id)));
                }
                _ => return self.wrong(node, "these brackets take one text"),
            },
            _ => return self.wrong(node, "only a name can stand before a dot"),
        }
        Ok(())
    }
}

fn unknown<'k>(
    before: &[String],
    name: &str,
    range: Range<usize>,
    known: impl Iterator<Item = &'k String>,
) -> CompileError {
    let known: Vec<&str> = known.map(String::as_str).collect();
    let mut hint = did_you_mean(name, known.iter().copied());
    if hint.is_empty() {
        hint = if known.is_empty() {
            "; nothing is".to_owned()
        } else {
            format!("; known here: {}", known.join(", "))
        };
    }
    let place = if before.is_empty() {
        "here".to_owned()
    } else {
        format!("in `{}`", written(before))
    };
    CompileError::new(
        range,
        format!("`{}` is not known {place}{hint}", shown(name)),
    )
}

fn arithmetic(name: &str) -> Option<Arithmetic> {
    Some(match name {
        operators::ADD => Arithmetic::Add,
        operators::SUBSTRACT => Arithmetic::Subtract,
        operators::MULTIPLY => Arithmetic::Multiply,
        operators::DIVIDE => Arithmetic::Divide,
        operators::MODULO => Arithmetic::Remainder,
        _ => return None,
    })
}

fn comparison(name: &str) -> Option<Comparison> {
    Some(match name {
        operators::EQUALS => Comparison::Equal,
        operators::NOT_EQUALS => Comparison::NotEqual,
        operators::LESS => Comparison::Less,
        operators::LESS_EQUALS => Comparison::LessEqual,
        operators::GREATER => Comparison::Greater,
        operators::GREATER_EQUALS => Comparison::GreaterEqual,
        _ => return None,
    })
}

/// An operator as it is written: `_<=_` is `<=`.
fn sign(name: &str) -> &str {
    match name {
        operators::CONDITIONAL => "?",
        operators::IN => "in",
        other => other.trim_matches('_'),
    }
}
