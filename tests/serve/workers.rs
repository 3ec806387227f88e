//! `isolation: Process`: the same verdicts from a process that can do nothing else, and nothing lost when it ends.

use std::collections::BTreeSet;
use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::client::{Target, run};
use super::folder::{Folder, Served, policy, script};
use super::load::{Tally, over_http1};
use super::metrics::value;
use super::reviews::{allowed, config_map, denied, message};
use super::server::Server;

/// What a worker needs to start, on a machine with better things to do.
const WITHIN: Duration = Duration::from_secs(20);

#[track_caller]
fn until<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = found() {
            return found;
        }
        assert!(begun.elapsed() < WITHIN, "not within {WITHIN:?}: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Worker processes of a server that have not ended.
fn workers(server: &Server) -> BTreeSet<u32> {
    let parent = server.pid().to_string();
    let processes = fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let is_worker = |process: &u32| {
        let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
        let mut fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
        fields.next().is_some_and(|state| state != "Z") && fields.next() == Some(&parent)
    };
    processes.filter(is_worker).collect()
}

fn status(process: u32, name: &str) -> String {
    let text = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    text.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim().to_owned()
}

fn limit(process: u32, name: &str) -> String {
    let text = fs::read_to_string(format!("/proc/{process}/limits")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.split_whitespace().next().unwrap().to_owned()
}

fn kill(process: u32) {
    drop(std::process::Command::new("kill").args(["-KILL", &process.to_string()]).status());
}

/// Does what `data.run` says, and denies what is bad.
const CHOOSES: &str = r#"
  isolation: "Process",
  validate({ object, deny }) {
    switch (object.data.run) {
      case "fatal": Object.keys("x".repeat(2 ** 29 - 25)); break;
      case "array": new Array(1e8).fill(1).map((n) => ({ n })); break;
      case "fill": { const all = []; for (;;) all.push(new Array(10000).fill({})); }
      case "loop": for (;;);
      case "built-in": Array(1e9).indexOf(1); break;
    }
    if (object.data.a === "bad") deny("a is bad");
  },"#;

fn chooses() -> Served {
    let neighbour = policy("neighbour", "validate({ object, warn }) { warn(`saw ${object.data.run}`); }");
    Served::new(&[("chooses.ts", &policy("chooses", CHOOSES)), ("neighbour.ts", &neighbour)], &[])
}

/// The same policies in-process and in processes of their own, with what is asked of them.
fn sources(isolation: &str) -> Vec<(String, String)> {
    let module = |name: &str, handlers: &str| {
        (format!("{name}.ts"), policy(name, &format!("  isolation: \"{isolation}\",\n{handlers}")))
    };
    let scripted = |name: &str, javascript: &str| {
        (format!("{name}.yaml"), script(name, &format!("  isolation: {isolation}\n"), javascript))
    };
    vec![
        module(
            "plain",
            "validate({ object, request, deny, warn, audit }) { if (object.data.a === 'bad') deny('bad', { field: 'data.a', code: 422, reason: 'Invalid' }); warn(request.operation); audit('k', 'v'); }",
        ),
        module(
            "throws",
            "validate({ object }) { if (object.data.run === 'throw') throw new RangeError(object.data.a); }",
        ),
        module(
            "rejects",
            "async validate({ object }) { await null; if (object.data.run === 'reject') throw new Error('late'); }",
        ),
        module(
            "unsettled",
            "validate({ object }) { if (object.data.run === 'unsettled') return new Promise(() => {}); }",
        ),
        module("random", "validate({ warn }) { warn(`${Math.random()} ${typeof eval}`); }"),
        module("local", "validate({ warn }) { warn(`${new Date(0)}`); }"),
        module(
            "changes",
            "mutate({ object }) { object.data.added = `${object.data.a} é \\ud800`; delete object.data.gone; }",
        ),
        module(
            "says",
            "validate({ object, deny }) { if (object.data.run === 'tenant') deny(JSON.stringify(Object.keys(object))); }",
        ),
        (
            "counts.ts".to_owned(),
            format!(
                "let count = 0;\n{}",
                policy(
                    "counts",
                    &format!("isolation: \"{isolation}\", validate({{ warn }}) {{ count += 1; warn(String(count)); }}")
                )
            ),
        ),
        scripted(
            "denying",
            "print('line'); if (request.object.data.a === 'bad') deny('script says no', 'Invalid', 418);",
        ),
        scripted(
            "mutating",
            "if (request.object.data.run === 'mutate') mutate({ ...request.object, data: { run: 'mutated' } });",
        ),
        scripted("throwing", "if (request.object.data.run === 'throw') null.x;"),
        scripted("sleeping", "sleep(5); warn(String(env('HOME') === undefined));"),
    ]
}

#[test]
fn verdicts_are_those_that_the_same_policies_give_in_process() {
    let serve = |isolation| {
        let sources = sources(isolation);
        let files: Vec<(&str, &str)> = sources.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        Served::new(&files, &[])
    };
    let (here, apart) = (serve("Shared"), serve("Process"));
    let replaced =
        |answer: Value, served: &Served| answer.to_string().replace(served.folder.path().to_str().unwrap(), "FOLDER");
    for data in [
        json!({"a": "bad"}),
        json!({"a": "good", "gone": "1"}),
        json!({"run": "throw", "a": "é"}),
        json!({"run": "reject"}),
        json!({"run": "unsettled"}),
        json!({"run": "mutate"}),
        json!({"run": "tenant"}),
        json!({}),
    ] {
        for path in ["/validate", "/mutate"] {
            let ask = |served: &Served| replaced(served.server.post(path, &config_map(data.clone())).1, served);
            assert_eq!(ask(&apart), ask(&here), "{path} {data}\n{}", apart.server.log());
        }
    }
    assert!(!workers(&apart.server).is_empty() && workers(&here.server).is_empty());
    assert!(apart.server.log().contains("line policy=\"denying.policies.example\""), "{}", apart.server.log());
}

#[test]
fn the_world_is_as_far_away_from_a_process_as_its_permissions_say() {
    let inventory = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: one, namespace: shop, labels: {app: web}}\ndata: {exact: \"1\"}\n";
    let source = include_str!("policies/asks.ts");
    let serve = |isolation: &str| {
        let folder = Folder::new(&[(".inventory.yaml", inventory), ("open/notes.yaml", "# nothing\n")]);
        let asks = source.replace("FOLDER", folder.path().to_str().unwrap());
        folder.write(
            "asks.ts",
            &asks.replace("    permissions,\n", &format!("    permissions,\n    isolation: \"{isolation}\",\n")),
        );
        let server = folder.serve_with(&["--inventory", &folder.argument(".inventory.yaml")], &[("SHOP_MODE", "open")]);
        Served { server, folder }
    };
    let (here, apart) = (serve("Shared"), serve("Process"));
    let asks = [
        "get",
        "getFrozen",
        "getNone",
        "getGroup",
        "getMisspelt",
        "getOther",
        "list",
        "listNamespace",
        "listSelectorText",
        "listSelector",
        "listNone",
        "listFrozen",
        "listOther",
        "env",
        "envUnset",
        "envOther",
        "file",
        "create",
        "update",
        "patch",
        "remove",
        "fetch",
    ];
    for name in ["bare", "granted"] {
        for ask in asks {
            let said = |served: &Served| {
                let data = json!({"ask": ask, "path": served.folder.argument("open/notes.yaml"), "url": "http://127.0.0.1:1/"});
                let answer = served.server.post(&format!("/policy/{name}.policies.example"), &config_map(data));
                message(answer).replace(served.folder.path().to_str().unwrap(), "FOLDER")
            };
            assert_eq!(said(&apart), said(&here), "{name} {ask}");
        }
    }
    assert!(workers(&apart.server).len() >= 2, "a worker for each policy");
}

#[test]
fn a_worker_can_do_nothing_but_compute() {
    let Served { server, .. } = &chooses();
    allowed(server.post("/validate", &config_map(json!({}))));
    // The one that works, and the spare one.
    let workers = until("a spare worker", || Some(workers(server)).filter(|found| found.len() == 2));
    server.wait_for_log(0, "worker processes are confined by seccomp, landlock and resource limits").unwrap();
    for worker in workers {
        until("it has shut itself in", || (status(worker, "Seccomp:") == "2").then_some(()));
        assert_eq!(status(worker, "NoNewPrivs:"), "1");
        assert_eq!(fs::read(format!("/proc/{worker}/environ")).unwrap().len(), time_zone().len());
        for (name, most) in
            [("Max processes", 0), ("Max core file size", 0), ("Max file size", 0), ("Max open files", 4)]
        {
            assert_eq!(limit(worker, name), most.to_string(), "{name}");
        }
        for name in ["Max address space", "Max cpu time"] {
            assert!(limit(worker, name).parse::<u64>().is_ok(), "{name}");
        }
        let descriptors: Vec<String> = fs::read_dir(format!("/proc/{worker}/fd"))
            .unwrap()
            .map(|entry| fs::read_link(entry.unwrap().path()).unwrap().display().to_string())
            .collect();
        let sockets: BTreeSet<_> = descriptors.iter().filter(|target| target.starts_with("socket:")).collect();
        let others: Vec<&str> =
            descriptors.iter().map(String::as_str).filter(|target| !target.starts_with("socket:")).collect();
        assert_eq!((sockets.len(), others), (1, vec!["/dev/null", "/dev/null"]), "{descriptors:?}");
    }
}

/// The one variable that a worker has, where the machine is not at UTC.
fn time_zone() -> String {
    let named = std::env::var("TZ").ok().filter(|name| !name.is_empty());
    let link = fs::read_link("/etc/localtime").ok().and_then(|link| link.to_str().map(str::to_owned));
    let name = named.or_else(|| Some(link?.split_once("zoneinfo/")?.1.to_owned()));
    name.filter(|name| !matches!(&**name, "UTC" | "Etc/UTC")).map(|name| format!("TZ={name}\0")).unwrap_or_default()
}

#[test]
fn what_a_policy_does_to_its_process_costs_one_answer_and_nobody_else_anything() {
    let Served { server, .. } = &chooses();
    for (run, cause) in [
        ("fatal", "used more memory than a run may"),
        ("array", "used more memory than a run may"),
        ("fill", "used more memory than a run may"),
        ("loop", "used more processor time than a run may"),
        ("built-in", "used more processor time than a run may"),
    ] {
        let status = denied(server.post("/validate?timeout=10s", &config_map(json!({"run": run}))));
        let told = status["message"].as_str().unwrap();
        // On a slow machine its processor time is used up before its memory is.
        let is_slow = told.ends_with("used more processor time than a run may");
        assert!(told.ends_with(cause) || is_slow, "{run}: {status}");
        let answer = allowed(server.post("/validate", &config_map(json!({"run": "on"}))));
        assert_eq!(answer["warnings"], json!(["[neighbour.policies.example] saw on"]), "after {run}");
        assert_eq!(
            message(server.post("/validate", &config_map(json!({"a": "bad"})))),
            "[chooses.policies.example] a is bad"
        );
    }
    let ends =
        ["memory", "cpu"].map(|reason| value(server, &format!("bylaw_worker_restarts_total{{reason=\"{reason}\"}}")));
    assert!(ends.iter().sum::<u64>() >= 2, "{ends:?}\n{}", server.log());
    assert_eq!(server.get(server.health_url()).0, 200, "the server has lost nothing");
    until("as many workers as before", || (value(server, "bylaw_workers") == 2).then_some(()));
}

#[test]
fn nothing_is_lost_when_workers_are_killed_under_load() {
    let Served { server, .. } = &chooses();
    let tally = Arc::new(Tally::default());
    let target = Target::of(server);
    let mut kills = 0;
    std::thread::scope(|scope| {
        let load = scope.spawn(|| {
            run(async {
                let clients: Vec<_> = (0..4)
                    .map(|client| {
                        let review = config_map(json!({"a": if client % 2 == 0 { "bad" } else { "good" }}));
                        tokio::spawn(over_http1(target.clone(), Arc::new(review), Arc::clone(&tally)))
                    })
                    .collect();
                for client in clients {
                    client.await.unwrap();
                }
            });
        });
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(4) {
            // One of them at a time, the spare one as likely as the other; and never two of the same run in a row.
            let ready = until("two workers", || Some(workers(server)).filter(|found| found.len() == 2));
            let answered = tally.answered();
            kill(*ready.iter().nth(kills % 2).unwrap());
            kills += 1;
            until("it goes on", || (tally.answered() > answered + 20).then_some(()));
        }
        tally.stop();
        load.join().unwrap();
    });
    tally.assert_nothing_lost();
    assert!(kills >= 4 && tally.answered() > 200, "{kills} kills, {} answers", tally.answered());
    assert_eq!(
        message(server.post("/validate", &config_map(json!({"a": "bad"})))),
        "[chooses.policies.example] a is bad"
    );
    assert!(value(server, "bylaw_worker_restarts_total{reason=\"killed\"}") >= 4);
}

#[test]
fn workers_end_with_their_server_however_it_ends() {
    let served = chooses();
    allowed(served.server.post("/validate", &config_map(json!({}))));
    let found = until("a spare worker", || Some(workers(&served.server)).filter(|found| found.len() == 2));
    kill(served.server.pid());
    for worker in found {
        until("it is gone", || {
            let stat = fs::read_to_string(format!("/proc/{worker}/stat")).unwrap_or_default();
            let state =
                stat.rsplit(')').next().unwrap_or_default().split_whitespace().next().unwrap_or("gone").to_owned();
            matches!(&*state, "Z" | "X" | "gone").then_some(())
        });
    }
}

#[test]
fn a_changed_policy_is_in_force_in_its_process_as_well() {
    let served = chooses();
    allowed(served.server.post("/validate", &config_map(json!({}))));
    let changed = CHOOSES.replace("a is bad", "a is very bad");
    served.folder.write("chooses.ts", &policy("chooses", &changed));
    until("the new text", || {
        let told = message(served.server.post("/validate", &config_map(json!({"a": "bad"}))));
        (told == "[chooses.policies.example] a is very bad").then_some(())
    });
}

#[test]
fn a_policy_that_cost_a_thread_by_its_memory_runs_in_a_process_from_then_on() {
    let shared = CHOOSES.replace("isolation: \"Process\",", "");
    let Served { server, .. } = &Served::new(&[("chooses.ts", &policy("chooses", &shared))], &[]);
    assert_eq!(
        message(server.post("/validate", &config_map(json!({"a": "bad"})))),
        "[chooses.policies.example] a is bad"
    );
    assert!(workers(server).is_empty(), "none was needed so far");
    // On a slow machine a thread may be given up before it is known for what.
    until("a worker process", || {
        denied(server.post("/validate?timeout=10s", &config_map(json!({"run": "fatal"}))));
        let message = message(server.post("/validate", &config_map(json!({"a": "bad"}))));
        assert_eq!(message, "[chooses.policies.example] a is bad");
        (!workers(server).is_empty()).then_some(())
    });
    let lost = value(server, "bylaw_isolate_threads_lost");
    denied(server.post("/validate?timeout=10s", &config_map(json!({"run": "fatal"}))));
    until("another worker process", || {
        (value(server, "bylaw_worker_restarts_total{reason=\"memory\"}") >= 1).then_some(())
    });
    assert_eq!(value(server, "bylaw_isolate_threads_lost"), lost, "{}", server.log());
}
