//! Policies that run out of memory, and what it costs: their isolate, at worst their thread, never the process.

use std::sync::{Arc, mpsc};
use std::time::Duration;

use serde_json::json;

use super::super::testing::{
    Draft, PATIENCE, Rig, creation, error, host, input, input_of, messages, pod, script, validate,
};
use super::super::{Cell, Fate, Limits, Slot};
use crate::decision::{Cause, Effect, Verdict};
use crate::host::Objects;

fn small() -> Limits {
    Limits { heap: 24 << 20, buffers: 4 << 20, cpu: PATIENCE, ..Limits::default() }
}

#[test]
fn a_heap_that_grows_step_by_step_ends_its_run() {
    let mut rig = Rig::with(small(), Objects::Nowhere);
    for body in [
        "const a = []; for (;;) a.push({ a });",
        "const m = new Map(); for (let i = 0; ; i += 1) m.set({}, [i]);",
        "let s = []; for (;;) s = [s, 'x' + s.length];",
        "const o = {}; for (let i = 0; ; i += 1) o['k' + i] = [i];",
    ] {
        let verdict = rig.run(validate(body));
        assert_eq!(error(&verdict), (Cause::Memory, "used more memory than a run may"), "{body}");
        assert!(rig.cell.condemned(), "{body}");
        rig.renew();
        assert_eq!(rig.run(validate("")).effect, Effect::Allow);
        let verdict = rig.run(script(body));
        assert_eq!(error(&verdict).0, Cause::Memory, "{body}");
        rig.renew();
    }
}

#[test]
fn buffers_beyond_the_quota_are_a_range_error_the_policy_can_catch() {
    let mut rig = Rig::with(small(), Objects::Nowhere);
    for make in [
        "new ArrayBuffer(5 << 20)",
        "new Uint8Array(5 << 20)",
        "new Float64Array(1 << 20)",
        "new ArrayBuffer(3 << 20).transfer(5 << 20)",
        "structuredClone(new Uint8Array(3 << 20))",
        "Array.from({ length: 40 }, () => new Uint8Array(1 << 20))",
        "new ArrayBuffer(1, { maxByteLength: 1 << 30 })",
        "new (class extends ArrayBuffer {})(1, { maxByteLength: 1 << 30 })",
        "Reflect.construct(ArrayBuffer, [1, { maxByteLength: 1 << 30 }], Object)",
        "new (new Uint8Array(1).buffer.constructor)(1, { maxByteLength: 1 << 30 })",
        "new (ArrayBuffer.prototype.constructor)(1, { maxByteLength: 1 << 30 })",
    ] {
        let body = format!("try {{ ({make}); }} catch (e) {{ c.deny(e.constructor.name); }}");
        let verdict = rig.run(validate(&body));
        // V8 tries its last-resort collection first, which may find the heap at its limit as well.
        match &verdict.effect {
            Effect::Error(error) => assert_eq!(error.cause, Cause::Memory, "{make}"),
            _ => assert_eq!(messages(&verdict), ["RangeError"], "{make}"),
        }
        rig.renew();
        if !make.contains("structuredClone") {
            let source =
                format!("let told = ''; try {{ ({make}); }} catch (e) {{ told = e.constructor.name; }} deny(told)");
            let verdict = rig.run(script(&source));
            match &verdict.effect {
                Effect::Error(error) => assert_eq!(error.cause, Cause::Memory, "{make}"),
                _ => assert_eq!(messages(&verdict), ["RangeError"], "{make}"),
            }
            rig.renew();
        }
    }
}

#[test]
fn array_buffers_work_as_ever_within_the_quota() {
    let body = "
      const buffer = new ArrayBuffer(8);
      class Mine extends ArrayBuffer {}
      const checks = [buffer.byteLength === 8, buffer instanceof ArrayBuffer, buffer.constructor === ArrayBuffer, ArrayBuffer.isView(new DataView(buffer)),
        ArrayBuffer.length === 1, ArrayBuffer.name === 'ArrayBuffer', new Mine(4) instanceof Mine, new Mine(4).byteLength === 4, buffer.slice(2).byteLength === 6,
        new Uint8Array([1, 2]).buffer instanceof ArrayBuffer, ArrayBuffer[Symbol.species] === ArrayBuffer, Object.prototype.toString.call(buffer) === '[object ArrayBuffer]',
        new ArrayBuffer(4, {}).resizable === false, (() => { try { ArrayBuffer(1); } catch (e) { return e instanceof TypeError; } })()];
      if (!checks.every(Boolean)) c.deny(JSON.stringify(checks));";
    assert_eq!(Rig::new().run(validate(body)).effect, Effect::Allow);
}

#[test]
fn what_no_limit_covers_is_not_there() {
    let names =
        "['WebAssembly', 'SharedArrayBuffer', 'Atomics', 'WeakRef', 'FinalizationRegistry', 'ShadowRealm', 'Temporal']";
    let mut rig = Rig::new();
    let body = format!("const there = {names}.filter((name) => name in globalThis); if (there.length > 0)");
    assert_eq!(rig.run(validate(&format!("{body} c.deny(there.join())"))).effect, Effect::Allow);
    assert_eq!(rig.run(script(&format!("{body} deny(there.join())"))).effect, Effect::Allow);
    assert_eq!(rig.run(validate("if ('toTemporalInstant' in Date.prototype) c.deny('x')")).effect, Effect::Allow);
}

/// V8 makes the first large object whatever its size: half a gigabyte of text in a heap of 64 MiB, and more than one of
/// them where there is more than one isolate.
#[test]
fn garbage_beyond_the_limit_does_not_outlive_the_next_look_at_the_heap() {
    for draft in [validate("/y/.test('x'.repeat(2 ** 27))"), script("/y/.test('x'.repeat(2 ** 27))")] {
        let mut rig = Rig::new();
        assert_eq!(rig.run(draft).effect, Effect::Allow);
        let bytes = rig.cell.heap_bytes();
        assert!(bytes < rig.limits.heap, "{} MiB are kept", bytes >> 20);
        assert!(!rig.cell.condemned());
    }
}

#[test]
fn a_request_that_would_not_fit_is_refused_before_it_is_parsed() {
    let bomb = format!("[{}{{}}]", "{},".repeat(2 << 20));
    let request = creation(&json!({"kind": "ConfigMap"}))
        .to_string()
        .replace(r#""kind":"ConfigMap"}"#, &format!(r#""kind":"ConfigMap","x":{bomb}}}"#));
    let mut rig = Rig::new();
    for draft in [validate(""), script("1")] {
        let verdict = rig.run_on(&input_of(request.clone()), draft);
        assert_eq!(error(&verdict).0, Cause::Memory, "{:?}", verdict.effect);
        assert!(!rig.cell.condemned(), "nothing was harmed");
    }
}

/// Just below the estimate's bound: parsing and freezing it must neither abort nor take the thread.
#[test]
fn the_largest_request_that_is_let_in_can_be_read() {
    for element in ["{}", "[]", "0", "1.5", r#""ab""#, "null", r#"{"a":1}"#] {
        let mut rig = Rig::new();
        let per = element.len() + 1 + 40 + 56 * element.chars().filter(|c| "{[".contains(*c)).count();
        let count = (63 << 20) / per;
        let bomb = format!("[{}{element}]", format!("{element},").repeat(count));
        let mut object = pod().to_string();
        object.truncate(object.len() - 1);
        let request = format!(r#"{{"uid":"1","operation":"CREATE","object":{object},"x":{bomb}}}}}"#);
        let verdict = rig.run_on(&input_of(request), validate("c.deny(String(c.object.x.length))"));
        match &verdict.effect {
            Effect::Deny(_) => assert_eq!(messages(&verdict), [(count + 1).to_string()], "{element}"),
            Effect::Error(error) => assert_eq!(error.cause, Cause::Memory, "{element}"),
            Effect::Allow => panic!("{element}"),
        }
    }
}

/// Runs on a thread of its own; `None` where that thread never comes back.
fn on_own_thread(draft: Draft, limits: Limits) -> (Option<Verdict>, Option<Fate>) {
    let host = host(Objects::Nowhere);
    let (done, is_done) = mpsc::channel();
    let (tell, told) = mpsc::channel();
    let work = move || {
        let slot = Slot::register(move |fate| {
            if fate.is_final() {
                tell.send(fate).unwrap_or_default();
            }
        });
        let mut cell = Cell::new(host, slot, Arc::new(limits));
        let revision = draft.made();
        let verdict = match revision.spec.dialect {
            crate::policy::Dialect::Script => cell.run_script(&input(), &revision).verdict,
            crate::policy::Dialect::Module => cell.validate(&input(), &[revision]).remove(0).verdict,
        };
        drop(done.send(verdict));
    };
    std::thread::Builder::new().stack_size(super::super::STACK).spawn(work).unwrap();
    let begun = std::time::Instant::now();
    while begun.elapsed() < PATIENCE {
        if let Ok(verdict) = is_done.recv_timeout(Duration::from_millis(20)) {
            return (Some(verdict), told.try_recv().ok());
        }
        // A wedged thread may still come back; a lost one never does.
        if let Ok(Fate::Lost) = told.try_recv() {
            return (None, Some(Fate::Lost));
        }
    }
    panic!("neither a verdict nor a fate");
}

/// Single allocations that no warning can come before. Whatever each does, it is contained, and a neighbour on another
/// thread answers all the while.
#[test]
fn a_bomb_costs_at_most_its_thread() {
    let done = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let neighbour = std::thread::spawn({
        let done = Arc::clone(&done);
        move || {
            let mut rig = Rig::new();
            let mut runs = 0_u32;
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                assert_eq!(messages(&rig.run(validate("c.deny('here')"))), ["here"]);
                runs += 1;
            }
            runs
        }
    });
    let mut lost = 0;
    for body in [
        "new Array(1e8).fill(1).map(() => ({}))",
        "let a = [1]; for (;;) a = a.concat(a)",
        "let s = 'x'; for (;;) { s += s; s.charCodeAt(0); /y/.test(s); }",
        "Array.from({ length: 5e7 }, (_, i) => [i])",
        "'x'.repeat(2 ** 29 - 25).split('')",
        "let f = () => 0; for (;;) { const g = f; f = () => g; }",
        "JSON.parse('[' + '[],'.repeat(3e7) + '[]]')",
    ] {
        for draft in [validate(body), script(body)] {
            let (verdict, fate) = on_own_thread(draft, small());
            if let Some(verdict) = verdict {
                let (cause, message) = error(&verdict);
                assert!(matches!(cause, Cause::Memory | Cause::Exception | Cause::Cpu), "{body}: {message}");
            } else {
                assert_eq!(fate, Some(Fate::Lost), "{body}");
                lost += 1;
            }
        }
    }
    done.store(true, std::sync::atomic::Ordering::Relaxed);
    let runs = neighbour.join().unwrap();
    assert!(runs > 100, "the neighbour ran {runs} times");
    assert!(lost > 0, "none of these bombs needs the handler of last resort any more: find one that does");
}
