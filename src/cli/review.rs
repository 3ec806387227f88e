//! `bylaw review`: one request, or each document of a manifest, judged by the engine that serves.

use std::time::Instant;

use anyhow::Context as _;
use clap::Args;
use serde_json::Value;

use super::output::{OutputFormat, print, say};
use super::runtime::Stage;
use super::subject::Subject;
use super::{Verdict, explain};
use crate::engine::{Judgement, Setting, deadline};
use crate::review::{self, Review};

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  bylaw review -p policies --object pod.yaml --explain\n  kubectl create deployment web --image nginx \
                        --dry-run=client -o yaml | bylaw review -p policies --object -\n  bylaw review -p policies --request review.json -o json\n  \
                  bylaw review -p policies --object host-pod.yaml --vcluster vc-tenant1/tenant1"
)]
pub(super) struct ReviewArgs {
    #[command(flatten)]
    subject: Subject,
    /// Say which policies matched, which did not and on what, and what each cost
    #[arg(long)]
    explain: bool,
    /// How to write the answer
    #[arg(short, long, value_enum, default_value_t)]
    output: OutputFormat,
}

pub(super) fn run(args: &ReviewArgs, verbosity: i8) -> anyhow::Result<Verdict> {
    super::runtime::quiet_logging(verbosity)?;
    let reviews = args.subject.reviews()?;
    let stage = Stage::new()?;
    let engine = args.subject.engine(&stage)?;
    let mut all_allowed = true;
    let many = reviews.len() > 1;
    let setting = Setting { measure: args.explain, ..args.subject.setting() };
    for review in reviews {
        let until = deadline(Instant::now(), None);
        let judgement = stage.block_on(engine.judge_in(&setting, &review, until));
        all_allowed &= judgement.decision.allowed;
        args.write(&review, &judgement, many)?;
        if args.explain {
            say(&explain::explain(&engine, &setting, &review, &judgement))?;
        }
    }
    Ok(if all_allowed { Verdict::Yes } else { Verdict::No })
}

impl ReviewArgs {
    fn write(&self, review: &Review, judgement: &Judgement, many: bool) -> anyhow::Result<()> {
        if self.output == OutputFormat::Text && many {
            return say(&summary(review, judgement));
        }
        let reply = review::reply(review, &judgement.decision).into_bytes();
        let value: Value = serde_json::from_slice(&reply).context("the engine's own reply is not JSON")?;
        print(self.output, &value)
    }
}

/// One line a document, where there are many.
fn summary(review: &Review, judgement: &Judgement) -> String {
    let request = &review.request;
    let place = if request.namespace.is_empty() { String::new() } else { format!("{}/", request.namespace) };
    let name = format!("{} {place}{}", request.kind.kind, request.name);
    match &judgement.decision.status {
        Some(status) if !judgement.decision.allowed => format!("denied   {name}: {}\n", status.message),
        _ if !judgement.decision.patch.is_empty() => {
            format!("changed  {name}: {} operations\n", judgement.decision.patch.len())
        }
        _ => format!("allowed  {name}\n"),
    }
}
