//! Mutating policies one after another: each sees what the last one left, and one patch comes of it all.

use super::Judgement;
use super::stance::{Stance, conclude};
use crate::decision::{Cause, Document, Effect, Judged, Mutation, Style, Verdict, undecided};
use crate::isolate::Evaluated;
use crate::policy::{Enforcement, OnError, Revision};
use crate::review::{JsonText, Review};

/// How far a chain of mutations came.
#[derive(Default)]
pub(super) struct Chain {
    pub judged: Vec<Judged>,
    pub evaluated: Vec<Evaluated>,
    pub unasked: Vec<Verdict>,
    /// Absent while nobody has changed anything.
    pub document: Option<Document>,
    /// A verdict denied the request: nothing after it matters.
    pub lost: bool,
}

impl Chain {
    /// Takes in one verdict. Whether the policies after it must run again, for they saw a change that is refused.
    pub fn take(&mut self, stance: &Stance<'_>, revision: &Revision, mut one: Evaluated) -> bool {
        let mut again = false;
        let is_dry = stance.enforcement(revision) == Enforcement::Dry;
        let change = one.verdict.mutation.as_ref().filter(|_| !is_dry && one.verdict.effect == Effect::Allow);
        if let Some(mutation) = change
            && let Err(why) = self.change(stance.review, mutation)
        {
            one.verdict = Verdict::error(revision.spec.name.clone(), Cause::BadResult, why);
            again = true;
        }
        let judged = stance.judged(revision, one.verdict.clone());
        self.lost |= judged.ends_request();
        self.judged.push(judged);
        self.evaluated.push(one);
        again
    }

    fn change(&mut self, review: &Review, mutation: &Mutation) -> Result<(), String> {
        let mut document = if let Some(document) = self.document.take() {
            document
        } else {
            let object: &JsonText = review.request.object.as_ref().ok_or("there is no object to change")?;
            Document::parse(object).map_err(|error| error.to_string())?
        };
        // A refused change leaves the document as it was.
        let result = document.apply(mutation).map_err(|error| error.to_string());
        self.document = Some(document);
        result
    }

    pub fn finish(self, style: Style) -> Judgement {
        let Self { mut judged, evaluated, unasked, document, lost } = self;
        let patch = match document.filter(|_| !lost).map(Document::patch_from_original).transpose() {
            Ok(patch) => patch.unwrap_or_default(),
            Err(error) => {
                tracing::error!(%error, "the patch of a chain of mutations is refused");
                let decision = undecided(OnError::Deny, &error.to_string());
                judged.clear();
                return Judgement { decision, evaluated, unasked, objections: Vec::new() };
            }
        };
        let (decision, objections) = conclude(judged, style, patch);
        Judgement { decision, evaluated, unasked, objections }
    }
}
