//! `--explain`: which policies matched a review, which did not and on what, and what each cost.

use std::fmt::Write as _;

use crate::decision::{Effect, Verdict};
use crate::engine::{Engine, Judgement, Setting};
use crate::matching::Explanation;
use crate::review::Review;

/// One line a policy.
pub(super) fn explain(engine: &Engine, setting: &Setting, review: &Review, judgement: &Judgement) -> String {
    let mut text = String::new();
    for Explanation { policy: name, outcome } in engine.explain(setting, review) {
        let runs = judgement.evaluated.iter().filter(|one| one.verdict.policy == name);
        let mut ran = false;
        for one in runs {
            ran = true;
            let memory = one.allocated.map_or_else(String::new, |bytes| format!(", {} KiB", bytes.div_ceil(1024)));
            let _ = writeln!(text, "{:<9}{name} ({:.3} ms{memory})", word(&one.verdict), one.time.as_secs_f64() * 1e3);
        }
        match outcome {
            Err(reason) => {
                let _ = writeln!(text, "no match {name}: {reason}");
            }
            Ok(()) if !ran => {
                let _ = writeln!(text, "not run  {name}: an earlier policy had denied the request");
            }
            Ok(()) => {}
        }
    }
    text
}

/// What a policy did.
pub(super) fn word(verdict: &Verdict) -> &'static str {
    match &verdict.effect {
        Effect::Allow if verdict.mutation.is_some() => "mutates",
        Effect::Allow if !verdict.warnings.is_empty() => "warns",
        Effect::Allow => "allows",
        Effect::Deny(_) => "denies",
        Effect::Error(_) => "fails",
    }
}
