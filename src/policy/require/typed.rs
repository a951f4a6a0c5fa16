//! Looks through a parsed expression: names, kinds, depth and cost. Every mistake is found.

use super::bound::{ITEMS, LARGEST, STEPS, ValueBound};
use super::condition::ConditionMistake;
use super::functions::{self, GLOBALS, METHODS, Signature};
use super::kind::ValueKind;
use cel::IdedExpr;
use cel::common::ast::{
    CallExpr, ComprehensionExpr, EntryExpr, Expr, LiteralValue, SelectExpr, SourceInfo, operators,
};

/// Parts of an expression inside each other.
const DEPTH: usize = 32;
/// Parts of an expression.
const NODES: usize = 500;

/// Known properties of a part of an expression.
#[derive(Clone, Debug)]
pub struct Typed {
    pub kind: ValueKind,
    bound: ValueBound,
    /// Steps to evaluate it.
    cost: u64,
}

pub struct TypeChecker<'e> {
    source: &'e SourceInfo,
    /// The variables of loops, innermost last.
    variables: Vec<(&'e str, ValueKind, ValueBound)>,
    loops: usize,
    nodes: usize,
    depth: usize,
    /// Names in `request.params`, with their places.
    pub params: Vec<(&'e str, usize)>,
    pub uses: Uses,
    pub mistakes: Vec<ConditionMistake>,
}

/// Values that an evaluation has to prepare.
#[derive(Debug, Default)]
pub struct Uses {
    /// The members of `claims` that are named.
    pub claims: Vec<Box<str>>,
    /// A member that is named by another value.
    pub any_claim: bool,
    pub scopes: bool,
    pub params: bool,
}

impl Uses {
    fn claim(&mut self, name: &str) {
        if !self.claims.iter().any(|known| **known == *name) {
            self.claims.push(name.into());
        }
    }
}

type MakeKind = fn() -> ValueKind;

/// The members of `request`.
const REQUEST: [(&str, MakeKind); 6] = [
    ("method", || ValueKind::Text),
    ("host", || ValueKind::Text),
    ("path", || ValueKind::Text),
    ("client_ip", || ValueKind::Text),
    ("params", || ValueKind::Texts),
    ("headers", || ValueKind::Texts),
];

impl<'e> TypeChecker<'e> {
    pub fn new(source: &'e SourceInfo) -> Self {
        Self {
            source,
            variables: Vec::new(),
            loops: 0,
            nodes: 0,
            depth: 0,
            params: Vec::new(),
            uses: Uses::default(),
            mistakes: Vec::new(),
        }
    }

    /// The whole expression: a bool at a bounded cost.
    pub fn condition(&mut self, expression: &'e IdedExpr) {
        let whole = self.typed(expression);
        if !self.mistakes.is_empty() {
            return;
        }
        if !whole.kind.may_be(&ValueKind::Bool) {
            self.mistake(expression, format!("is {}, and a condition must be a bool", whole.kind));
        }
        if whole.cost > STEPS {
            let message = format!(
                "may take {} steps for one request, and {STEPS} are allowed; a loop inside a loop multiplies, so use `in` for one of them",
                whole.cost
            );
            self.mistake(expression, message);
        }
    }

    fn mistake(&mut self, at: &IdedExpr, message: impl Into<String>) {
        let offset = self.source.offset_for(at.id).map_or(0, |(start, _)| start as usize);
        self.mistakes.push(ConditionMistake { offset, message: message.into() });
    }

    fn typed(&mut self, expression: &'e IdedExpr) -> Typed {
        let unknown = Typed { kind: ValueKind::Any, bound: ValueBound::SCALAR, cost: 1 };
        self.nodes += 1;
        if self.nodes > NODES || self.depth >= DEPTH {
            let message = match self.depth >= DEPTH {
                true => "is nested too deep here; take it apart into several conditions",
                false => "has too many parts; make it shorter",
            };
            if !self.mistakes.iter().any(|mistake| mistake.message == message) {
                self.mistake(expression, message);
            }
            return unknown;
        }
        self.depth += 1;
        let mut typed = match &expression.expr {
            Expr::Literal(literal) => of_literal(literal),
            Expr::Ident(name) => self.variable(expression, name),
            Expr::Select(select) => self.select(expression, select),
            Expr::Call(call) => self.call(expression, call),
            Expr::List(list) => {
                let (mut kind, mut bound, mut cost) = (None, ValueBound::default(), 1_u64);
                for element in &list.elements {
                    let item = self.item(element);
                    bound = bound.with(item.bound.in_list());
                    cost = cost.saturating_add(item.cost);
                    kind = Some(match kind {
                        None => item.kind,
                        Some(kind) => item.kind.or(kind),
                    });
                }
                Typed { kind: ValueKind::list(kind.unwrap_or(ValueKind::Any)), bound, cost }
            }
            Expr::Map(map) => {
                let (mut bound, mut cost) = (ValueBound::default(), 1_u64);
                for entry in &map.entries {
                    let EntryExpr::MapEntry(entry) = &entry.expr else { continue };
                    for part in [&entry.key, &entry.value] {
                        let part = self.item(part);
                        bound = bound.with(part.bound.in_list());
                        cost = cost.saturating_add(part.cost);
                    }
                }
                Typed { kind: ValueKind::map(ValueKind::Any), bound, cost }
            }
            Expr::Comprehension(comprehension) => self.comprehension(expression, comprehension),
            Expr::Struct(_) | Expr::Unspecified => {
                self.mistake(expression, "is not supported here");
                unknown
            }
        };
        self.depth -= 1;
        if typed.bound.peak > LARGEST {
            let message = "may become a value of more than 1 MiB; add up less";
            if !self.mistakes.iter().any(|mistake| mistake.message == message) {
                self.mistake(expression, message);
            }
            typed.bound = ValueBound::SCALAR;
        }
        typed
    }

    /// An item of a list or a map; `claims` and `request` are no values of their own.
    fn item(&mut self, expression: &'e IdedExpr) -> Typed {
        let item = self.typed(expression);
        if matches!(item.kind, ValueKind::Claims | ValueKind::Request | ValueKind::Texts) {
            self.mistake(expression, format!("{} cannot be part of a list or a map", item.kind));
        }
        item
    }

    fn variable(&mut self, at: &IdedExpr, name: &'e str) -> Typed {
        let known = self.variables.iter().rev().find(|(known, ..)| *known == name);
        if let Some((_, kind, bound)) = known {
            return Typed { kind: kind.clone(), bound: *bound, cost: 1 };
        }
        let (kind, bound) = match name {
            "claims" => (ValueKind::Claims, ValueBound::INPUT),
            "scopes" => {
                self.uses.scopes = true;
                (ValueKind::list(ValueKind::Text), ValueBound::INPUT)
            }
            "request" => (ValueKind::Request, ValueBound::INPUT),
            "now" => (ValueKind::Timestamp, ValueBound::SCALAR),
            _ => {
                let message = format!(
                    "there is no variable `{name}`; known here: claims, scopes, request, now; write a text in quotes"
                );
                self.mistake(at, message);
                (ValueKind::Any, ValueBound::SCALAR)
            }
        };
        Typed { kind, bound, cost: 1 }
    }

    fn select(&mut self, at: &'e IdedExpr, select: &'e SelectExpr) -> Typed {
        let operand = self.typed(&select.operand);
        let field = select.field.as_str();
        let kind = match &operand.kind {
            ValueKind::Claims => {
                self.uses.claim(field);
                ValueKind::Any
            }
            ValueKind::Any => ValueKind::Any,
            ValueKind::Map(value) => (**value).clone(),
            ValueKind::Texts => {
                if is_params(&select.operand) {
                    let offset =
                        self.source.offset_for(at.id).map_or(0, |(start, _)| start as usize);
                    // `has(request.params.x)` asks whether it is there
                    if !select.test {
                        self.params.push((field, offset));
                    }
                }
                ValueKind::Text
            }
            ValueKind::Request => match REQUEST.iter().find(|(name, _)| *name == field) {
                Some((_, kind)) => {
                    self.uses.params |= field == "params";
                    kind()
                }
                None => {
                    let known: Vec<&str> = REQUEST.iter().map(|(name, _)| *name).collect();
                    let message =
                        format!("there is no `request.{field}`; known here: {}", known.join(", "));
                    self.mistake(at, message);
                    ValueKind::Any
                }
            },
            other => {
                let message = format!("{other} has no member `{field}`");
                self.mistake(at, message);
                ValueKind::Any
            }
        };
        let kind = if select.test { ValueKind::Bool } else { kind };
        let bound = if select.test { ValueBound::SCALAR } else { operand.bound.member() };
        // a selected object or list is copied
        Typed { kind, bound, cost: operand.cost.saturating_add(2) }
    }

    fn call(&mut self, at: &'e IdedExpr, call: &'e CallExpr) -> Typed {
        let name = call.func_name.as_str();
        if let (operators::CONDITIONAL, [condition, yes, no]) = (name, call.args.as_slice()) {
            let condition = self.bool_operand(condition, "the condition of `? :`");
            let (yes, no) = (self.typed(yes), self.typed(no));
            return Typed {
                kind: yes.kind.or(no.kind),
                bound: yes.bound.or(no.bound),
                cost: total(&[condition, yes.cost, no.cost]),
            };
        }
        let receiver = call.target.as_deref().map(|target| (target, self.typed(target)));
        let args: Vec<Typed> = call.args.iter().map(|arg| self.typed(arg)).collect();
        match (receiver, args.as_slice()) {
            (None, [left, right]) if !name.starts_with(|c: char| c.is_ascii_alphabetic()) => {
                if (name, &left.kind) == (operators::INDEX, &ValueKind::Claims) {
                    match call.args.get(1).map(|index| &index.expr) {
                        Some(Expr::Literal(LiteralValue::String(name))) => {
                            self.uses.claim(name.inner())
                        }
                        _ => self.uses.any_claim = true,
                    }
                }
                self.binary(at, name, left, right)
            }
            (None, [only]) if !name.starts_with(|c: char| c.is_ascii_alphabetic()) => {
                self.unary(at, name, only)
            }
            (None, _) => {
                let signature = functions::global(name);
                self.function(at, call, signature, args, GLOBALS)
            }
            (Some((_, receiver)), _) => {
                let mut all = vec![receiver];
                all.extend(args);
                self.method_arguments(at, call);
                let signature = functions::method(name);
                self.function(at, call, signature, all, METHODS)
            }
        }
    }

    fn bool_operand(&mut self, operand: &'e IdedExpr, place: &str) -> u64 {
        let typed = self.typed(operand);
        if !typed.kind.may_be(&ValueKind::Bool) {
            let message = format!("{place} is {}, and must be a bool", typed.kind);
            self.mistake(operand, message);
        }
        typed.cost
    }

    fn unary(&mut self, at: &IdedExpr, name: &str, only: &Typed) -> Typed {
        let kind = match name {
            operators::LOGICAL_NOT if only.kind.may_be(&ValueKind::Bool) => ValueKind::Bool,
            operators::NOT_STRICTLY_FALSE => ValueKind::Bool,
            operators::NEGATE
                if matches!(
                    only.kind,
                    ValueKind::Int | ValueKind::Double | ValueKind::Duration | ValueKind::Any
                ) =>
            {
                only.kind.clone()
            }
            _ => {
                let message = format!("`{}` is not for {}", shown(name), only.kind);
                self.mistake(at, message);
                ValueKind::Any
            }
        };
        Typed { kind, bound: ValueBound::SCALAR, cost: only.cost.saturating_add(1) }
    }

    fn binary(&mut self, at: &IdedExpr, name: &str, left: &Typed, right: &Typed) -> Typed {
        let compared = left.bound.weight.min(right.bound.weight) / 16;
        // comparisons are cheap beside the steps of an expression
        let searched = right.bound.items / 8 + right.bound.weight / 256;
        let cost = |own: u64| total(&[left.cost, right.cost, own, 1]);
        let (kind, bound, cost) = match name {
            operators::LOGICAL_AND | operators::LOGICAL_OR => {
                let sound =
                    left.kind.may_be(&ValueKind::Bool) && right.kind.may_be(&ValueKind::Bool);
                (sound.then_some(ValueKind::Bool), ValueBound::SCALAR, cost(0))
            }
            operators::EQUALS | operators::NOT_EQUALS => {
                // `== null` asks whether a member is null
                let null = left.kind == ValueKind::Null || right.kind == ValueKind::Null;
                let sound = null || left.kind.compares_with(&right.kind);
                (sound.then_some(ValueKind::Bool), ValueBound::SCALAR, cost(compared))
            }
            operators::LESS
            | operators::LESS_EQUALS
            | operators::GREATER
            | operators::GREATER_EQUALS => {
                let sound = left.kind.compares_with(&right.kind)
                    && is_ordered(&left.kind)
                    && is_ordered(&right.kind);
                (sound.then_some(ValueKind::Bool), ValueBound::SCALAR, cost(compared))
            }
            operators::IN => {
                let sound = match &right.kind {
                    ValueKind::List(item) => left.kind.compares_with(item),
                    ValueKind::Map(_) | ValueKind::Texts | ValueKind::Claims => {
                        left.kind.may_be(&ValueKind::Text)
                    }
                    ValueKind::Any => true,
                    _ => false,
                };
                (sound.then_some(ValueKind::Bool), ValueBound::SCALAR, cost(searched))
            }
            operators::INDEX => {
                let kind = match &left.kind {
                    ValueKind::List(item) if right.kind.compares_with(&ValueKind::Int) => {
                        Some((**item).clone())
                    }
                    ValueKind::Map(value) if right.kind.may_be(&ValueKind::Text) => {
                        Some((**value).clone())
                    }
                    ValueKind::Texts if right.kind.may_be(&ValueKind::Text) => {
                        Some(ValueKind::Text)
                    }
                    ValueKind::Claims if right.kind.may_be(&ValueKind::Text) => {
                        Some(ValueKind::Any)
                    }
                    ValueKind::Any => Some(ValueKind::Any),
                    _ => None,
                };
                // a member of `claims` that is named by another value is converted each time
                let own = if left.kind == ValueKind::Claims { left.bound.weight / 16 } else { 1 };
                (kind, left.bound.member(), cost(own))
            }
            operators::ADD => {
                let sum = left.bound.with(right.bound);
                (sum_kind(&left.kind, &right.kind), sum, cost(sum.weight / 64))
            }
            operators::SUBSTRACT => {
                (difference_kind(&left.kind, &right.kind), ValueBound::SCALAR, cost(0))
            }
            operators::MULTIPLY | operators::DIVIDE | operators::MODULO => {
                let number = |kind: &ValueKind| kind.is_number() || *kind == ValueKind::Any;
                let sound =
                    number(&left.kind) && number(&right.kind) && left.kind.may_be(&right.kind);
                let kind = left.kind.clone().or(right.kind.clone());
                (sound.then_some(kind), ValueBound::SCALAR, cost(0))
            }
            _ => (None, ValueBound::SCALAR, 1),
        };
        let kind = kind.unwrap_or_else(|| {
            let message = format!("`{}` is not for {} and {}", shown(name), left.kind, right.kind);
            self.mistake(at, message);
            ValueKind::Any
        });
        Typed { kind, bound, cost }
    }

    /// Patterns and time zones are literals, so that a mistake in them is found now.
    fn method_arguments(&mut self, at: &IdedExpr, call: &'e CallExpr) {
        let literal = call.args.first().and_then(|arg| match &arg.expr {
            Expr::Literal(LiteralValue::String(text)) => Some(text.inner()),
            _ => None,
        });
        match (call.func_name.as_str(), call.args.first(), literal) {
            ("matches", Some(arg), None) => self.mistake(arg, "the pattern must be a literal"),
            ("matches", Some(arg), Some(pattern)) => {
                if let Err(error) = functions::learn_pattern(pattern) {
                    self.mistake(arg, format!("this is not a pattern: {error}"));
                }
            }
            (name, Some(arg), Some(zone)) if name.starts_with("get") && !is_time_zone(zone) => {
                let message = "there is no such time zone; write a name as `Europe/Berlin`, or an offset as `+02:00`";
                self.mistake(arg, message);
            }
            (name, Some(_), None) if name.starts_with("get") => {
                self.mistake(at, "the time zone must be a literal");
            }
            _ => {}
        }
    }

    fn function(
        &mut self,
        at: &IdedExpr,
        call: &CallExpr,
        signature: Option<Signature>,
        args: Vec<Typed>,
        known: &str,
    ) -> Typed {
        let name = call.func_name.as_str();
        let kinds: Vec<ValueKind> = args.iter().map(|arg| arg.kind.clone()).collect();
        let read = args.iter().map(|arg| arg.bound.weight).fold(0, u64::saturating_add);
        let bound = args.first().map_or(ValueBound::SCALAR, |first| match name {
            "lowerAscii" | "string" => first.bound.or(ValueBound::text(64)),
            _ => ValueBound::SCALAR,
        });
        let costs: Vec<u64> = args.iter().map(|arg| arg.cost).collect();
        let own = if name == "size" { 1 } else { 1 + read / 16 };
        let kind = match signature {
            Some(signature) => signature(&kinds).unwrap_or_else(|| {
                let kinds: Vec<String> = kinds.iter().map(ValueKind::to_string).collect();
                let given = if kinds.is_empty() { "nothing".into() } else { kinds.join(" and ") };
                self.mistake(at, format!("`{name}` does not take {given}"));
                ValueKind::Any
            }),
            None => {
                self.mistake(at, format!("there is no function `{name}`; known here: {known}"));
                ValueKind::Any
            }
        };
        Typed { kind, bound, cost: total(&costs).saturating_add(own) }
    }

    fn comprehension(&mut self, at: &IdedExpr, of: &'e ComprehensionExpr) -> Typed {
        let range = self.typed(&of.iter_range);
        let item = match &range.kind {
            ValueKind::List(item) => (**item).clone(),
            ValueKind::Map(_) => ValueKind::Text,
            ValueKind::Any => ValueKind::Any,
            other => {
                let message = format!("{other} has no items to go through");
                self.mistake(at, message);
                ValueKind::Any
            }
        };
        let rounds = range.bound.items.min(ITEMS.saturating_mul(ITEMS));
        let start = self.typed(&of.accu_init);
        self.loops += 1;
        let nested = self.loops > 1;
        self.variables.push((&of.accu_var, start.kind.clone(), start.bound));
        self.variables.push((&of.iter_var, item, range.bound.item(nested)));
        let again = self.typed(&of.loop_cond);
        let step = self.typed(&of.loop_step);
        self.variables.pop();
        self.variables.pop();
        self.loops -= 1;
        let grown = step.bound.grown(start.bound, rounds);
        self.variables.push((&of.accu_var, start.kind.or(step.kind), grown));
        let result = self.typed(&of.result);
        self.variables.pop();
        let round = total(&[again.cost, step.cost, 2]);
        let cost = total(&[range.cost, start.cost, rounds.saturating_mul(round), result.cost]);
        Typed { cost, ..result }
    }
}

fn total(costs: &[u64]) -> u64 {
    costs.iter().copied().fold(0, u64::saturating_add)
}

fn of_literal(literal: &LiteralValue) -> Typed {
    let (kind, bound) = match literal {
        LiteralValue::Boolean(_) => (ValueKind::Bool, ValueBound::SCALAR),
        LiteralValue::Int(_) => (ValueKind::Int, ValueBound::SCALAR),
        LiteralValue::UInt(_) => (ValueKind::Uint, ValueBound::SCALAR),
        LiteralValue::Double(_) => (ValueKind::Double, ValueBound::SCALAR),
        LiteralValue::Null => (ValueKind::Null, ValueBound::SCALAR),
        LiteralValue::String(text) => (ValueKind::Text, ValueBound::text(text.inner().len())),
        LiteralValue::Bytes(bytes) => (ValueKind::Bytes, ValueBound::text(bytes.inner().len())),
    };
    Typed { kind, bound, cost: 1 }
}

fn is_params(operand: &IdedExpr) -> bool {
    match &operand.expr {
        Expr::Select(select) => {
            select.field == "params"
                && matches!(&select.operand.expr, Expr::Ident(name) if name == "request")
        }
        _ => false,
    }
}

fn is_ordered(kind: &ValueKind) -> bool {
    !matches!(
        kind,
        ValueKind::List(_)
            | ValueKind::Map(_)
            | ValueKind::Texts
            | ValueKind::Claims
            | ValueKind::Request
            | ValueKind::Null
    )
}

fn sum_kind(left: &ValueKind, right: &ValueKind) -> Option<ValueKind> {
    match (left, right) {
        (ValueKind::Timestamp, ValueKind::Duration)
        | (ValueKind::Duration, ValueKind::Timestamp) => Some(ValueKind::Timestamp),
        (ValueKind::List(_), ValueKind::List(_)) => Some(left.clone().or(right.clone())),
        (ValueKind::Any, other) | (other, ValueKind::Any) if is_addable(other) => {
            Some(other.clone())
        }
        (left, right) if left == right && is_addable(left) => Some(left.clone()),
        _ => None,
    }
}

fn is_addable(kind: &ValueKind) -> bool {
    kind.is_number()
        || matches!(
            kind,
            ValueKind::Text
                | ValueKind::Bytes
                | ValueKind::List(_)
                | ValueKind::Timestamp
                | ValueKind::Duration
                | ValueKind::Any
        )
}

fn difference_kind(left: &ValueKind, right: &ValueKind) -> Option<ValueKind> {
    match (left, right) {
        (ValueKind::Timestamp, ValueKind::Timestamp) => Some(ValueKind::Duration),
        (ValueKind::Timestamp, ValueKind::Duration) => Some(ValueKind::Timestamp),
        (ValueKind::Duration, ValueKind::Duration) => Some(ValueKind::Duration),
        (ValueKind::Any, other) | (other, ValueKind::Any)
            if other.is_number()
                || matches!(other, ValueKind::Timestamp | ValueKind::Duration | ValueKind::Any) =>
        {
            Some(ValueKind::Any)
        }
        (left, right) if left == right && left.is_number() => Some(left.clone()),
        _ => None,
    }
}

/// An operator as it is written.
fn shown(name: &str) -> &str {
    match name {
        operators::IN => "in",
        operators::INDEX => "[]",
        name => name.trim_matches('_'),
    }
}

/// Asks the library, which knows the names.
fn is_time_zone(zone: &str) -> bool {
    let quoted = zone.bytes().all(|b| b.is_ascii_alphanumeric() || b"/_+-:".contains(&b));
    quoted && super::evaluate::is_true(&format!("timestamp(0).getHours('{zone}') >= 0"))
}
