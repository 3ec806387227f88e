//! What evaluating a CEL expression may cost at worst, on an object of a known size: the evaluator itself knows no bounds.
//!
//! A node costs a step each time it is reached, and is reached once for each turn of the loops around it. Some cost more:
//! what compares or copies walks over whole values, a pattern is compiled anew each time. And `x + x` in a chain of
//! loops doubles its value with each of them, so the largest value that can come up is estimated too.

use cel::common::ast::{EntryExpr, Expr, IdedExpr, LiteralValue, operators};

/// Steps that one evaluation may take at worst; the API server's budget for match conditions is about as large
/// (`RuntimeCELCostBudgetMatchConditions`).
const MOST_STEPS: f64 = 2_500_000.0;
/// Bytes of the largest value that may come up.
const LARGEST: f64 = (64 << 20) as f64;
/// Compiling a pattern takes some ten microseconds, a hundred times a step; one out of an object may be made to take
/// milliseconds.
const PATTERN: f64 = 300.0;
const FOREIGN_PATTERN: f64 = 300_000.0;
/// A value of the object in a list or a map, with its pointers.
const VALUE: f64 = 64.0;

/// How large the variables of an evaluation are.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Size {
    /// Of the longest list or map.
    pub longest: usize,
    /// Of the longest string.
    pub longest_string: usize,
    /// Of everything together: values of any kind, and bytes of text.
    pub values: usize,
    pub bytes: usize,
}

/// Whether an evaluation stays within bounds of time and memory.
///
/// # Errors
/// Says what there would be too much of.
pub(super) fn check(expression: &IdedExpr, size: &Size) -> Result<(), &'static str> {
    let bytes = number(size.bytes) + number(size.values) * VALUE;
    let mut cost = Cost {
        longest: number(longest(expression, size)),
        bytes,
        walk: 1.0 + number(size.values) / 16.0 + number(size.bytes) / 1024.0,
        search: number(size.longest_string).powi(2) / 256.0,
        turns: 1.0,
        steps: 0.0,
        largest: 0.0,
        scope: Vec::new(),
    };
    cost.visit(expression);
    if cost.steps > MOST_STEPS {
        return Err("it could take too many steps on an object of this size");
    }
    if cost.largest > LARGEST { Err("it could take too much memory on an object of this size") } else { Ok(()) }
}

/// Far below 2^52, where a double is exact.
fn number(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::from(u32::MAX), f64::from)
}

/// What a loop can run to: over a list of the object, of the expression itself, or of the parts of a string.
fn longest(expression: &IdedExpr, size: &Size) -> usize {
    let mut longest = size.longest.max(1);
    each(expression, &mut |expression| match expression {
        Expr::List(list) => longest = longest.max(list.elements.len()),
        Expr::Map(map) => longest = longest.max(map.entries.len()),
        Expr::Call(call) if call.func_name == "split" => longest = longest.max(size.longest_string),
        _ => {}
    });
    longest
}

struct Cost<'e> {
    longest: f64,
    bytes: f64,
    /// Steps of going over a whole value, of looking for one string in another.
    walk: f64,
    search: f64,
    /// How often the loops around turn.
    turns: f64,
    steps: f64,
    largest: f64,
    /// The variables of the loops around, with the bytes of their values.
    scope: Vec<(&'e str, f64)>,
}

impl<'e> Cost<'e> {
    /// Adds up the steps below a node; returns the bytes of its value.
    fn visit(&mut self, expression: &'e IdedExpr) -> f64 {
        self.steps += self.turns;
        let size = match &expression.expr {
            Expr::Unspecified => 0.0,
            Expr::Literal(LiteralValue::String(text)) => number(text.inner().len()),
            Expr::Literal(LiteralValue::Bytes(bytes)) => number(bytes.inner().len()),
            Expr::Literal(_) => VALUE,
            Expr::Ident(name) => {
                let bound = self.scope.iter().rev().find(|(variable, _)| variable == name);
                bound.map_or(self.bytes, |(_, size)| *size)
            }
            Expr::Select(select) => self.visit(&select.operand),
            Expr::Call(call) => {
                let pattern = call.args.first().map(|argument| matches!(argument.expr, Expr::Literal(_)));
                let this = call.target.as_deref().map(|target| self.visit(target));
                let sizes: Vec<f64> = call.args.iter().map(|argument| self.visit(argument)).collect();
                self.call(&call.func_name, this, &sizes, pattern.unwrap_or_default())
            }
            Expr::List(list) => list.elements.iter().map(|element| VALUE + self.visit(element)).sum(),
            Expr::Map(map) => map.entries.iter().map(|entry| self.entry(&entry.expr)).sum(),
            Expr::Struct(message) => message.entries.iter().map(|entry| self.entry(&entry.expr)).sum(),
            Expr::Comprehension(loops) => {
                let range = self.visit(&loops.iter_range);
                let start = self.visit(&loops.accu_init);
                let turns = self.longest.min(range / VALUE + range).max(1.0);
                let outer = (self.scope.len(), self.turns);
                let each = range / turns;
                self.scope.push((&loops.iter_var, each));
                self.scope.extend(loops.iter_var2.as_deref().map(|variable| (variable, each)));
                // What one turn adds; the list so far is not copied.
                self.scope.push((&loops.accu_var, 0.0));
                self.turns *= turns;
                self.visit(&loops.loop_cond);
                let all = start + turns * self.visit(&loops.loop_step);
                self.turns = outer.1;
                self.scope.truncate(outer.0);
                self.scope.push((&loops.accu_var, all));
                let result = self.visit(&loops.result);
                self.scope.truncate(outer.0);
                result.max(all)
            }
        };
        self.largest = self.largest.max(size);
        size
    }

    fn entry(&mut self, entry: &'e EntryExpr) -> f64 {
        match entry {
            EntryExpr::StructField(field) => VALUE + self.visit(&field.value),
            EntryExpr::MapEntry(entry) => VALUE + self.visit(&entry.key) + self.visit(&entry.value),
        }
    }

    /// Adds what a function costs beyond a step; returns the bytes of what it gives.
    fn call(&mut self, name: &str, this: Option<f64>, arguments: &[f64], literal_first: bool) -> f64 {
        let this = this.unwrap_or_default();
        let all: f64 = this + arguments.iter().sum::<f64>();
        // What a loop makes of its own list is appended, one element each turn.
        let work = match name {
            operators::LOGICAL_AND
            | operators::LOGICAL_OR
            | operators::LOGICAL_NOT
            | operators::NOT_STRICTLY_FALSE
            | operators::CONDITIONAL
            | operators::INDEX
            | operators::OPT_INDEX
            | operators::OPT_SELECT
            | operators::SUBSTRACT
            | operators::MULTIPLY
            | operators::DIVIDE
            | operators::MODULO
            | operators::NEGATE => 0.0,
            "matches" if literal_first => PATTERN + all / 16.0,
            "matches" => FOREIGN_PATTERN,
            "indexOf" | "lastIndexOf" if !literal_first => self.search,
            _ => self.walk.min(1.0 + all / 16.0),
        };
        self.steps += self.turns * work;
        match name {
            operators::LOGICAL_AND
            | operators::LOGICAL_OR
            | operators::LOGICAL_NOT
            | operators::NOT_STRICTLY_FALSE
            | operators::EQUALS
            | operators::NOT_EQUALS
            | operators::IN
            | operators::LESS
            | operators::LESS_EQUALS
            | operators::GREATER
            | operators::GREATER_EQUALS
            | "matches"
            | "contains"
            | "startsWith"
            | "endsWith"
            | "size"
            | "indexOf"
            | "lastIndexOf" => VALUE,
            operators::ADD | operators::CONDITIONAL | operators::INDEX | operators::OPT_INDEX => all,
            // Each letter may become the new text, each element be followed by the separator.
            "replace" => this * arguments.get(1).copied().unwrap_or_default().max(1.0),
            "join" => this * arguments.first().copied().unwrap_or_default().max(1.0),
            "split" => this * VALUE,
            _ => all * 4.0 + VALUE,
        }
    }
}

/// Calls `visit` for every node.
fn each<'e>(expression: &'e IdedExpr, visit: &mut impl FnMut(&'e Expr)) {
    visit(&expression.expr);
    let mut entries = |entries: &mut dyn Iterator<Item = &'e EntryExpr>| {
        for entry in entries {
            match entry {
                EntryExpr::StructField(field) => each(&field.value, visit),
                EntryExpr::MapEntry(entry) => [&entry.key, &entry.value].into_iter().for_each(|part| each(part, visit)),
            }
        }
    };
    match &expression.expr {
        Expr::Unspecified | Expr::Literal(_) | Expr::Ident(_) => {}
        Expr::Select(select) => each(&select.operand, visit),
        Expr::Call(call) => call.target.as_deref().into_iter().chain(&call.args).for_each(|part| each(part, visit)),
        Expr::List(list) => list.elements.iter().for_each(|element| each(element, visit)),
        Expr::Map(map) => entries(&mut map.entries.iter().map(|entry| &entry.expr)),
        Expr::Struct(message) => entries(&mut message.entries.iter().map(|entry| &entry.expr)),
        Expr::Comprehension(loops) => {
            for part in [&loops.iter_range, &loops.accu_init, &loops.loop_cond, &loops.loop_step, &loops.result] {
                each(part, visit);
            }
        }
    }
}
