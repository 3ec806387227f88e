//! From the start of the process to ready, and from the edit of a policy to the first verdict by it, under load.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context as _;

use crate::load::{self, Asker, Pace, Plan, Question, Shape};
use crate::options::Options;
use crate::serving::Serving;
use crate::table::Table;
use crate::{fleet, policies};

const START: &str = "start/100 policies";
const CHANGE: &str = "change/enforced under load";

/// Edits in one run.
const EDITS: u32 = 10;

/// An edit that is not enforced by then never will be.
const ENFORCED_WITHIN: Duration = Duration::from_secs(10);

pub fn run(options: &Options, table: &mut Table) -> anyhow::Result<()> {
    for _ in 0..options.runs() {
        if options.wants(START) {
            let serving = Serving::of(|dir| fleet::write(dir, 100, 16))?;
            table.millis(START, "to ready", serving.ready_after);
            table.mebibytes(START, "RSS", serving.resident());
        }
        if options.wants(CHANGE) {
            change(options, table)?;
        }
    }
    Ok(())
}

/// Edits one policy to and fro while sixteen others judge pods at a steady rate.
fn change(options: &Options, table: &mut Table) -> anyhow::Result<()> {
    let serving = Serving::of(|dir| {
        write_edited(dir, false)?;
        policies::write(dir, 16)
    })?;
    let is_over = AtomicBool::new(false);
    let one = |pace, time| {
        let server_cpu = || serving.cpu_time();
        let plan = Plan { shape: Shape::Http2 { streams: 64 }, pace, warm_up: time / 4, time, server_cpu: &server_cpu };
        load::run(&serving.target(vec![policies::to_allow()]), &plan)?.sound()
    };
    let rate = one(Pace::Closed, options.load_time())?.per_second() / 2.0;
    let mut asker = Asker::connect(&serving.target(Vec::new()))?;
    let times = thread::scope(|scope| {
        let loading = scope.spawn(|| {
            while !is_over.load(Ordering::Acquire) {
                one(Pace::Open { per_second: rate }, Duration::from_millis(500))?;
            }
            anyhow::Ok(())
        });
        let times =
            (0..EDITS).map(|edit| edit_once(&serving, &mut asker, edit % 2 == 0)).collect::<anyhow::Result<Vec<_>>>();
        is_over.store(true, Ordering::Release);
        loading.join().map_err(|_| anyhow::anyhow!("the load panicked"))??;
        times
    })?;
    let mut sorted = times;
    sorted.sort_unstable();
    let middle = sorted.get(sorted.len() / 2).context("no edit was made")?;
    table.millis(CHANGE, "median edit", *middle);
    table.millis(CHANGE, "slowest edit", *sorted.last().context("no edit was made")?);
    Ok(())
}

/// The time from the edit to the first answer that follows it.
fn edit_once(serving: &Serving, asker: &mut Asker, denies: bool) -> anyhow::Result<Duration> {
    let expected = if denies { r#""allowed":false"# } else { r#""allowed":true"# };
    let question = Question { path: "/validate?timeout=10s", body: config_map(), expected };
    let begun = Instant::now();
    write_edited(&serving.policies, denies)?;
    while begun.elapsed() < ENFORCED_WITHIN {
        if asker.ask(&question)? {
            return Ok(begun.elapsed());
        }
        thread::sleep(Duration::from_millis(1));
    }
    anyhow::bail!("an edit was not enforced within {ENFORCED_WITHIN:?}")
}

/// Written beside and renamed, as editors and the kubelet do.
fn write_edited(dir: &std::path::Path, denies: bool) -> std::io::Result<()> {
    let statement = if denies { "deny(\"edited\");" } else { "" };
    let source = format!(
        "import {{ policy }} from \"@bylaw/sdk\";\nexport default policy({{\n  name: \"edited.bench.bylaw.dev\",\n  \
         match: {{ resources: [\"configmaps\"], operations: [\"CREATE\"] }},\n  validate({{ deny }}: any) {{ {statement} }},\n}});\n"
    );
    let beside = dir.join(".edited.tmp");
    std::fs::write(&beside, source)?;
    std::fs::rename(beside, dir.join("edited.ts"))
}

fn config_map() -> Vec<u8> {
    let kind = serde_json::json!({ "group": "", "version": "v1", "kind": "ConfigMap" });
    let resource = serde_json::json!({ "group": "", "version": "v1", "resource": "configmaps" });
    let object =
        serde_json::json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "a", "namespace": "b" } });
    serde_json::json!({
        "kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1",
        "request": { "uid": "1", "kind": kind, "resource": resource, "name": "a", "namespace": "b", "operation": "CREATE",
            "userInfo": { "username": "me" }, "object": object },
    })
    .to_string()
    .into()
}
