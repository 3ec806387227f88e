//! Time and chance in module policies: the same review, the same answer.

use super::super::testing::{Rig, creation, input, input_of, messages, module, pod, script, validate};
use crate::decision::Effect;

/// Every way there is to ask what time it is.
const ASK: &str = "[Date.now(), new Date().getTime(), +Reflect.construct(Date, []), new (class extends Date {})().getTime(), new Date(c.now).getTime(),
    Date.parse(new Date().toISOString()), Date.parse(Date()) + c.now % 1000, new (Object.getPrototypeOf(new Date()).constructor)().getTime()]";

#[test]
fn time_stands_still_at_the_time_of_the_review() {
    let body = format!(
        "const first = {ASK}; let sum = 0; for (let i = 0; i < 3e6; i++) sum += i; const last = {ASK};
         c.deny([...new Set([...first, ...last])].join());"
    );
    assert_eq!(Rig::new().told(&body), ["1700000000000"]);
}

#[test]
fn formats_of_no_date_in_particular_show_the_time_of_the_review() {
    let body = "const f = new Intl.DateTimeFormat('en', { timeZone: 'UTC', dateStyle: 'short', timeStyle: 'long' });
        const { format } = f;
        c.deny([f.format(), format(undefined), f.formatToParts().map((p) => p.value).join(''), f.format(0)].join('|').replaceAll('\u{202f}', ' '));";
    let now = "11/14/23, 10:13:20 PM UTC";
    assert_eq!(Rig::new().told(body), [format!("{now}|{now}|{now}|1/1/70, 12:00:00 AM UTC")]);
}

#[test]
fn a_date_is_what_it_was_but_for_the_clock() {
    let body = "
        const d = new Date(2020, 1, 29, 12);
        const checks = [Date.length === 7, Date.name === 'Date', d.getMonth() === 1, d instanceof Date, d.constructor === Date, new Date('2020-01-01T00:00:00Z').getTime() === 1577836800000,
          new Date(NaN).getTime() !== new Date(NaN).getTime(), Date.UTC(2020, 0) === 1577836800000, typeof Date() === 'string', new Date(undefined).getTime() !== 0,
          Number.isNaN(new Date(undefined).getTime()), c.now instanceof Date, new Date(d).getTime() === d.getTime(), Object.prototype.toString.call(d) === '[object Date]',
          (() => { class D extends Date { year() { return this.getFullYear(); } } return new D(2021, 0).year() === 2021 && new D() instanceof D; })()];
        if (!checks.every(Boolean)) c.deny(JSON.stringify(checks));";
    assert_eq!(Rig::new().run(validate(body)).effect, Effect::Allow);
}

const DRAW: &str = "c.deny([1, 2, 3].map(() => Math.random()).join());";

#[test]
fn chance_is_the_same_for_the_same_policy_and_review_and_for_no_other() {
    let mut rig = Rig::new();
    let first = rig.told(DRAW);
    rig.told("Math.random(); c.deny('x')");
    assert_eq!(rig.told(DRAW), first, "in the same isolate");
    assert_eq!(Rig::new().told(DRAW), first, "in another one");
    let mut request = creation(&pod());
    request["uid"] = "2".into();
    let of_another_review = rig.run_on(&input_of(request.to_string()), validate(DRAW));
    assert_ne!(messages(&of_another_review), first);
    let of_another_policy = rig.run_on(&input(), validate(DRAW).named("q.example.com"));
    assert_ne!(messages(&of_another_policy), first);
    let draws: Vec<&str> = first[0].split(',').collect();
    assert!(draws[0] != draws[1] && draws[1] != draws[2], "{draws:?}");
}

#[test]
fn chance_is_spread_evenly() {
    let body = "
        const bins = new Array(16).fill(0); let sum = 0; let least = 1; let most = 0;
        for (let i = 0; i < 160000; i++) { const x = Math.random(); sum += x; bins[Math.floor(x * 16)]++; least = Math.min(least, x); most = Math.max(most, x); }
        if (!(least >= 0 && least < 0.001 && most < 1 && most > 0.999) || Math.abs(sum / 160000 - 0.5) > 0.01 || bins.some((n) => n < 9500 || n > 10500)) c.deny(JSON.stringify([least, most, sum, bins]));";
    assert_eq!(Rig::new().run(validate(body)).effect, Effect::Allow);
}

#[test]
fn a_bundle_is_loaded_at_the_beginning_of_time_whenever_that_is() {
    let bundle =
        module("at: [Date.now(), new Date().getTime(), Math.random()], validate(c) { c.deny(this.at.join()); }");
    let mut rig = Rig::new();
    let late = messages(&rig.run(bundle.clone()));
    let revision = bundle.made();
    let mut early = Rig::new();
    early.cell.prepare(&revision);
    let verdict = early.cell.validate(&input(), &[revision]).remove(0).verdict;
    assert_eq!(messages(&verdict), late);
    assert!(late[0].starts_with("0,0,0."), "{late:?}");
}

#[test]
fn scripts_keep_the_clock_they_had() {
    let source = "const begun = Date.now(); while (Date.now() === begun); deny(String(begun > 1.7e12 && Math.random() !== Math.random()))";
    assert_eq!(messages(&Rig::new().run(script(source))), ["true"]);
}
