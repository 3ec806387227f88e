//! Mutating policies one after another: each sees what the last one left, and one patch comes of it all.

use super::Judgement;
use super::guard::{LazyGuard, Ruling};
use super::stance::{Stance, conclude};
use crate::decision::{Cause, Document, Effect, Judged, Mutation, Style, Verdict, undecided};
use crate::isolate::Evaluated;
use crate::policy::{Enforcement, OnError, Revision};
use crate::review::{JsonText, Review};
use crate::tenancy::mutations::Class;

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
    /// What the host would say of it, after all else. It is no objection of this API server's.
    pub foreseen: Vec<Judged>,
}

/// What came of taking in one verdict.
#[derive(Debug, Default)]
pub(super) struct Taken {
    /// The policies after it must run again, for they saw a change that is not made.
    pub again: bool,
    /// What becomes of its change to the copy of a tenant's object.
    pub class: Option<Class>,
}

impl Chain {
    /// Takes in one verdict. `guard` is asked where something is to be changed.
    pub fn take(
        &mut self,
        stance: &Stance<'_>,
        guard: &LazyGuard<'_>,
        revision: &Revision,
        mut one: Evaluated,
    ) -> Taken {
        let mut taken = Taken::default();
        let is_dry = stance.enforcement(revision) == Enforcement::Dry;
        let change = one.verdict.mutation.as_ref().filter(|_| !is_dry && one.verdict.effect == Effect::Allow);
        if let Some(mutation) = change {
            let made = self.change(stance.review, guard, revision, mutation, &mut taken);
            match made {
                Ok(warnings) => one.verdict.warnings.extend(warnings),
                Err(why) => {
                    one.verdict = Verdict::error(revision.spec.name.clone(), Cause::BadResult, why);
                    taken.again = true;
                }
            }
        }
        let judged = stance.judged(revision, one.verdict.clone());
        self.lost |= judged.ends_request();
        self.judged.push(judged);
        self.evaluated.push(one);
        taken
    }

    /// Makes the change, or does not; what there is to be said of that.
    fn change(
        &mut self,
        review: &Review,
        guard: &LazyGuard<'_>,
        revision: &Revision,
        mutation: &Mutation,
        taken: &mut Taken,
    ) -> Result<Vec<String>, String> {
        let document = match &mut self.document {
            Some(document) => document,
            none => {
                let object: &JsonText = review.request.object.as_ref().ok_or("there is no object to change")?;
                none.insert(Document::parse(object).map_err(|error| error.to_string())?)
            }
        };
        let step = document.step(mutation).map_err(|error| error.to_string())?;
        let ruling = guard.get().and_then(|guard| guard.rule(review, &revision.spec, &step));
        taken.class = ruling.as_ref().map(|(class, _)| *class);
        let warnings = match ruling {
            None => Vec::new(),
            Some((_, Ruling::Make { warnings })) => warnings,
            Some((_, Ruling::Leave { warning })) => {
                taken.again = true;
                return Ok(vec![warning]);
            }
            Some((_, Ruling::Refuse { why })) => return Err(why),
        };
        document.take(step);
        Ok(warnings)
    }

    pub fn finish(self, style: Style) -> Judgement {
        let Self { mut judged, evaluated, unasked, document, lost, foreseen } = self;
        let patch = match document.filter(|_| !lost).map(Document::patch_from_original).transpose() {
            Ok(patch) => patch.unwrap_or_default(),
            Err(error) => {
                tracing::error!(%error, "the patch of a chain of mutations is refused");
                let decision = undecided(OnError::Deny, &error.to_string());
                judged.clear();
                return Judgement { decision, evaluated, unasked, objections: Vec::new() };
            }
        };
        let own = judged.iter().filter(|one| one.verdict.effect != Effect::Allow).count();
        judged.extend(foreseen);
        let (decision, mut objections) = conclude(judged, style, patch);
        objections.truncate(own);
        Judgement { decision, evaluated, unasked, objections }
    }
}
