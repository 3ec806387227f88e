//! CEL expressions of match conditions: parsed once, checked for what they may cost and name.

use std::sync::{Arc, LazyLock};

use cel::common::ast::{EntryExpr, Expr, IdedExpr};
use cel::{Env, ExecutionError, Program, Value, extensions};

use super::activation::Activation;
use super::cost;
use crate::review::clip::clip;

/// The parser recurses over an expression, so its length bounds the stack.
const LONGEST: usize = 4 << 10;
/// Levels of the parsed expression: the evaluator recurses over them on the thread of the review. It takes 2 KB for a
/// level, and 40 KB in a debug build.
const DEEPEST: usize = 48;
/// For the parser, which takes 140 KB for a level of parentheses in a debug build and gives up after 96.
pub(super) const PARSER_STACK: usize = 32 << 20;

const VARIABLES: [&str; 3] = ["object", "oldObject", "request"];
/// Names that stand for types, or lead to functions.
const GLOBALS: [&str; 14] = [
    "bool",
    "int",
    "uint",
    "double",
    "string",
    "bytes",
    "list",
    "map",
    "null_type",
    "type",
    "dyn",
    "google",
    "optional",
    "strings",
];

/// The functions and macros of the CEL specification and the string extension.
static ENV: LazyLock<Option<Arc<Env>>> = LazyLock::new(|| {
    let mut env = Env::stdlib();
    env.add_extension(extensions::strings).ok()?;
    Some(Arc::new(env))
});

pub(super) fn env() -> Option<Arc<Env>> {
    ENV.clone()
}

/// One boolean expression over `object`, `oldObject` and `request`.
#[derive(Debug)]
pub(super) struct Expression {
    program: Program,
}

impl Expression {
    /// To be called with [`PARSER_STACK`] bytes of stack.
    pub(super) fn compile(text: &str) -> Result<Self, String> {
        if text.len() > LONGEST {
            return Err(format!("the expression is longer than {LONGEST} bytes"));
        }
        let env = env().ok_or("CEL is not available")?;
        let program = env.compile(text).map_err(|errors| clip(&errors.to_string(), 1024).to_owned())?;
        let mut survey = Survey::default();
        survey.visit(program.expression(), 0)?;
        Ok(Self { program })
    }

    pub(super) fn evaluate(&self, activation: &Activation) -> Result<bool, String> {
        cost::check(self.program.expression(), activation.size())?;
        match self.program.execute(activation.context()) {
            Ok(Value::Bool(holds)) => Ok(holds),
            Ok(other) => Err(format!("it gives a {}, not a bool", other.type_of())),
            Err(error) => Err(explain(&error)),
        }
    }
}

/// The errors of CEL print the values they met, which are parts of the object: only those that name keys and types pass.
fn explain(error: &ExecutionError) -> String {
    match error {
        ExecutionError::NoSuchKey(_)
        | ExecutionError::NoSuchOverload(_)
        | ExecutionError::UndeclaredReference(_)
        | ExecutionError::InvalidArgumentCount { .. }
        | ExecutionError::UnexpectedType { .. }
        | ExecutionError::MissingArgumentOrTarget => clip(&error.to_string(), 256).to_owned(),
        ExecutionError::FunctionError { function, .. } => format!("function {function} failed"),
        ExecutionError::IndexOutOfBounds(_) => "an index is out of bounds".to_owned(),
        ExecutionError::DivisionByZero(_) | ExecutionError::RemainderByZero(_) => "division by zero".to_owned(),
        ExecutionError::Overflow(..) => "a number overflows".to_owned(),
        _ => "values of these types do not go together".to_owned(),
    }
}

/// A walk over a parsed expression.
#[derive(Default)]
struct Survey<'e> {
    /// Variables of the comprehensions around.
    scope: Vec<&'e str>,
}

impl<'e> Survey<'e> {
    fn visit(&mut self, expression: &'e IdedExpr, level: usize) -> Result<(), String> {
        if level > DEEPEST {
            return Err(format!("the expression is nested deeper than {DEEPEST} levels"));
        }
        let level = level + 1;
        match &expression.expr {
            Expr::Unspecified | Expr::Literal(_) => Ok(()),
            Expr::Ident(name) => self.name(name),
            Expr::Select(select) => self.visit(&select.operand, level),
            Expr::Call(call) => {
                call.target.as_deref().into_iter().chain(&call.args).try_for_each(|part| self.visit(part, level))
            }
            Expr::List(list) => list.elements.iter().try_for_each(|element| self.visit(element, level)),
            Expr::Map(map) => self.entries(map.entries.iter().map(|entry| &entry.expr), level),
            Expr::Struct(message) => self.entries(message.entries.iter().map(|entry| &entry.expr), level),
            Expr::Comprehension(comprehension) => {
                self.visit(&comprehension.iter_range, level)?;
                self.visit(&comprehension.accu_init, level)?;
                let outer = self.scope.len();
                self.scope.extend([&*comprehension.iter_var, &*comprehension.accu_var]);
                self.scope.extend(comprehension.iter_var2.as_deref());
                for part in [&comprehension.loop_cond, &comprehension.loop_step, &comprehension.result] {
                    self.visit(part, level)?;
                }
                self.scope.truncate(outer);
                Ok(())
            }
        }
    }

    fn entries(&mut self, entries: impl Iterator<Item = &'e EntryExpr>, level: usize) -> Result<(), String> {
        for entry in entries {
            match entry {
                EntryExpr::StructField(field) => self.visit(&field.value, level)?,
                EntryExpr::MapEntry(entry) => {
                    self.visit(&entry.key, level)?;
                    self.visit(&entry.value, level)?;
                }
            }
        }
        Ok(())
    }

    fn name(&self, name: &str) -> Result<(), String> {
        let is_known = VARIABLES.contains(&name) || GLOBALS.contains(&name) || self.scope.contains(&name);
        // The parser's own variables begin with a sign that no author can write.
        if is_known || name.starts_with('@') {
            return Ok(());
        }
        Err(format!("there is no variable {}: match conditions see {}", clip(name, 64), VARIABLES.join(", ")))
    }
}
