//! A case played twice: what its policies did, and what they do to what came of it.

use super::{Asked, Stage};
use crate::cases::case::Subject;
use crate::cases::error::Fault;
use crate::cases::suite::Test;
use crate::decision::{Effect, apply};

/// What the policies of a case did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Twice {
    /// One of them matched.
    pub reached: bool,
    /// One of them denied, warned, noted, changed or wrote something.
    pub acted: bool,
    /// The error that one of them ended with.
    pub error: Option<String>,
    /// The paths (RFC 6901) that the second time changed again.
    pub changed_again: Vec<String>,
}

impl Stage {
    /// Plays a case, and where its object was changed once more with what it was changed to.
    ///
    /// # Errors
    /// Where the case cannot be asked as it is written.
    pub async fn play_twice(&mut self, test: &Test) -> Result<Twice, Fault> {
        let Asked { judgement, made, recorded, .. } = self.ask(test, &test.case).await?;
        let mut twice = Twice { acted: !recorded.writes.is_empty(), ..Twice::default() };
        for one in &judgement.evaluated {
            let verdict = &one.verdict;
            twice.reached = true;
            twice.acted |= !verdict.warnings.is_empty() || !verdict.audit.is_empty();
            match &verdict.effect {
                Effect::Deny(_) => twice.acted = true,
                Effect::Error(error) => twice.error = Some(error.message.clone()),
                Effect::Allow => {}
            }
        }
        let patch = &judgement.decision.patch;
        let mut object = made.object;
        if patch.is_empty() || apply(patch, &mut object).is_err() {
            return Ok(twice);
        }
        twice.acted = true;
        let mut again = (*test.case).clone();
        match &mut again.subject {
            Subject::Request(request) => {
                if let Some(fields) = request.as_object_mut() {
                    fields.insert("object".to_owned(), object);
                }
            }
            Subject::Object(asked) => asked.object = Some(object),
        }
        let second = self.ask(test, &again).await?;
        let operations = serde_json::to_value(&second.judgement.decision.patch).unwrap_or_default();
        let paths = operations.as_array().into_iter().flatten().filter_map(|one| one.get("path")?.as_str());
        twice.changed_again = paths.map(str::to_owned).collect();
        Ok(twice)
    }
}
