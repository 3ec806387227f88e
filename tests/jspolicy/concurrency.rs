//! Many at once: what ends one run early must not reach into another that shares its thread or its isolate.

use std::thread;

use super::case::{Case, Expect};
use super::expect::{Answer, misses};
use super::servers::on_inventory;

/// Each a different way to end, on different policies.
fn mixture(at: usize) -> Case {
    let denied = |message: &str| Expect { message: Some(message.to_owned()), ..Expect::default() };
    let failed = |part: &str| Expect { code: Some(500), message_contains: Some(part.to_owned()), ..Expect::default() };
    let allowed = || Expect { allowed: true, ..Expect::default() };
    let (policy, run, expect) = match at % 8 {
        0 => ("deny", "message alone", denied("only a message")),
        1 => ("deny", "from a microtask", denied("from a microtask")),
        2 => ("allow", "what waits is dropped", allowed()),
        3 => ("allow", "a promise left pending holds nobody", allowed()),
        4 => ("thrown", "then() without catch()", failed("Uncaught Error: lost as well")),
        5 => ("thrown", "recursion without end", failed("Maximum call stack size exceeded")),
        6 => ("engine", "no global outlives a run", denied("\"undefined\"")),
        _ => ("overwritten", "Array.prototype", denied("prototypes are not what they were")),
    };
    Case { policy: format!("{policy}.global.example.com"), run: Some(run.to_owned()), expect, ..Case::default() }
}

#[test]
fn neighbours_do_not_notice_each_other() {
    const CLIENTS: usize = 10;
    const EACH: usize = 24;
    let server = &on_inventory().server;
    let client = |number: usize| {
        let asked = (0..EACH).map(move |step| number + step);
        asked
            .flat_map(|at| {
                let case = mixture(at);
                let uid = format!("neighbour-{number}-{at}");
                let (http, review) = server.post_text(&case.path(), case.review(&uid));
                let answer = Answer { uid: &uid, http, review, took: std::time::Duration::ZERO, writes: Vec::new() };
                misses(&case, &answer).into_iter().map(move |miss| format!("{}: {miss}", case.title()))
            })
            .collect::<Vec<String>>()
    };
    let faults: Vec<String> = thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS).map(|number| scope.spawn(move || client(number))).collect();
        clients.into_iter().flat_map(|client| client.join().expect("a client panicked")).collect()
    });
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
