//! Match conditions (KEP-3716): every one has to hold; one that is false settles the matter even if another failed.

use std::collections::HashSet;
use std::thread;

use super::MatchError;
use super::expression::{Expression, PARSER_STACK};
use super::facts::Facts;
use crate::policy::spec::MatchCondition;

/// The API server's own bound.
const MOST: usize = 64;

#[derive(Debug, Default)]
pub(super) struct Conditions(Vec<Condition>);

#[derive(Debug)]
struct Condition {
    name: String,
    expression: Expression,
}

impl Conditions {
    pub(super) fn compile(conditions: &[MatchCondition]) -> Result<Self, MatchError> {
        if conditions.is_empty() {
            return Ok(Self::default());
        }
        if conditions.len() > MOST {
            return Err(MatchError::invalid("matchConditions", format!("there may be at most {MOST}")));
        }
        // A thread of its own, so that no nesting can overflow the caller's stack, and a panic of the parser is an error.
        thread::scope(|scope| {
            let parser = thread::Builder::new().stack_size(PARSER_STACK);
            let parsed =
                parser.spawn_scoped(scope, || Self::compile_all(conditions)).map(thread::ScopedJoinHandle::join);
            match parsed {
                Ok(Ok(compiled)) => compiled,
                _ => Err(MatchError::invalid("matchConditions", "the CEL parser failed")),
            }
        })
    }

    fn compile_all(conditions: &[MatchCondition]) -> Result<Self, MatchError> {
        let mut names = HashSet::new();
        let compile = |(index, condition): (usize, &MatchCondition)| {
            if condition.name.is_empty() || !names.insert(condition.name.clone()) {
                let message = "must not be empty, nor the same as another's";
                return Err(MatchError::invalid(format!("matchConditions[{index}].name"), message));
            }
            let expression = Expression::compile(&condition.expression)
                .map_err(|message| MatchError::invalid(format!("matchConditions[{index}].expression"), message))?;
            Ok(Condition { name: condition.name.clone(), expression })
        };
        conditions.iter().enumerate().map(compile).collect::<Result<_, _>>().map(Self)
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The name of a condition that is false, if there is one.
    pub(super) fn find_false(&self, facts: &Facts) -> Result<Option<&str>, MatchError> {
        let mut failed = None;
        for Condition { name, expression } in &self.0 {
            let result = facts.activation().map_err(str::to_owned).and_then(|variables| expression.evaluate(variables));
            match result {
                Ok(true) => {}
                Ok(false) => return Ok(Some(name)),
                Err(message) => {
                    failed.get_or_insert_with(|| MatchError::Condition { name: name.clone(), message });
                }
            }
        }
        failed.map_or(Ok(None), Err)
    }
}

#[cfg(test)]
#[path = "conditions_tests.rs"]
mod tests;
