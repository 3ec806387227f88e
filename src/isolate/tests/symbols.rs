//! `Symbol.for`: one registry a realm, and what a run registers goes with the run.

use super::super::Limits;
use super::super::testing::{Rig, input, messages, module, script, validate};
use crate::decision::Effect;
use crate::host::Objects;

#[test]
fn registered_symbols_are_what_they_are_elsewhere() {
    let body = "
        const a = Symbol.for('a');
        const throws = (f) => { try { f(); return false; } catch (e) { return e instanceof TypeError; } };
        const checks = [a === Symbol.for('a'), a !== Symbol.for('b'), Symbol.keyFor(a) === 'a', Symbol.keyFor(Symbol('a')) === undefined, Symbol.keyFor(Symbol.iterator) === undefined,
          a.description === 'a', typeof a === 'symbol', Symbol.for(undefined) === Symbol.for('undefined'), throws(() => Symbol.keyFor('a')), throws(() => Symbol.for(Symbol())),
          Symbol.for.name === 'for' && Symbol.for.length === 1 && Symbol.keyFor.name === 'keyFor', throws(() => new Symbol.for('x'))];
        if (!checks.every(Boolean)) c.deny(JSON.stringify(checks));";
    assert_eq!(Rig::new().run(validate(body)).effect, Effect::Allow);
}

#[test]
fn what_a_bundle_registered_at_load_is_found_in_every_run() {
    let handlers = "at: Symbol.for('load'), validate(c) { if (Symbol.for('load') !== this.at || Symbol.keyFor(this.at) !== 'load') c.deny('another'); }";
    let mut rig = Rig::new();
    let verdicts = rig.batch([module(handlers), module(handlers), module(handlers)]);
    assert!(verdicts.iter().all(|verdict| verdict.effect == Effect::Allow), "{verdicts:?}");
}

#[test]
fn what_a_run_registered_is_unknown_to_the_next() {
    let handlers = "kept: [], validate(c) { const symbol = Symbol.for('left behind'); this.kept.push(symbol); c.deny(String(new Set(this.kept).size) + Symbol.keyFor(this.kept[0])); }";
    let revision = module(handlers).made();
    let mut rig = Rig::new();
    let mut run = || messages(&rig.cell.validate(&input(), std::slice::from_ref(&revision)).remove(0).verdict);
    assert_eq!(run(), ["1left behind"]);
    assert_eq!(run(), ["2undefined"]);
}

/// V8's own registry never forgets: these runs would fill the heap, and the one that happens to be last would be killed.
#[test]
fn registered_symbols_are_garbage_after_the_run() {
    let register = "for (let i = 0; i < 40000; i++) Symbol.for(`${i}-${nth}-0123456789012345678901234567890123456789`)";
    let limits = || Limits { heap: 24 << 20, ..Limits::default() };
    let mut rig = Rig::with(limits(), Objects::Nowhere);
    for nth in 0..25 {
        let body = format!("const nth = {nth}; {register}");
        assert_eq!(rig.run(validate(&body)).effect, Effect::Allow, "run {nth} of a module");
    }
    let mut rig = Rig::with(limits(), Objects::Nowhere);
    for nth in 0..25 {
        let source = format!("const nth = {nth}; {register}");
        assert_eq!(rig.run(script(&source)).effect, Effect::Allow, "run {nth} of a script");
    }
}
