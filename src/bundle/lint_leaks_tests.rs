//! Ways by which state outlived a run unseen, and their harmless look-alikes.

use super::tests::{keeps, keeps_nothing};

#[test]
fn what_a_local_name_stands_for_is_state_when_it_is_changed() {
    keeps("const table: any = { a: { n: 0 } };", "const entry = table.a; entry.n++;", "table");
    keeps("const table: any = { a: { n: 0 } };", "const { a } = table; a.n = 1;", "table");
    keeps("const rules: any = [{ hits: 0 }];", "for (const rule of rules) rule.hits += 1;", "rules");
    keeps("const rules: any = [{ hits: 0 }];", "rules.forEach((rule) => { rule.hits++; });", "rules");
    keeps("const rules: any = [{ hits: 0 }];", "rules.find((rule) => rule.n).hits = 1;", "rules");
    keeps("const rules: any = [{ hits: 0 }];", "[...rules].map((r) => r)[0].hits = 1;", "rules");
    keeps("const rules: any = [{ hits: 0 }];", "Object.values(rules).forEach((rule: any) => rule.hits++);", "rules");
    keeps("const table: any = { a: 1 };", "let t; t = table; t.b = 2;", "table");
    keeps("const table: any = { a: 1 };", "(object ? table : object).b = 2;", "table");
    keeps("const lists = [[1]];", "for (const [name, list] of Object.entries(lists)) list.push(name);", "lists");
    keeps("const cache = new Map([['a', []]]);", "cache.get('a').push(object.name);", "cache");
}

#[test]
fn what_a_function_of_the_script_does_to_its_parameter_is_state() {
    keeps("const table = { a: 1 };\nfunction put(into, k) { into[k] = 1; }", "put(table, object.name);", "table");
    keeps("const table = { a: 1 };\nconst put = (into, k) => { into[k] = 1; };", "put(table, object.name);", "table");
    keeps("const shared = { n: 0 };\nfunction bump(o, at = shared) { at.n += 1; }", "bump(object);", "shared");
    keeps("const shared = { n: 0 };\nconst bump = ({ at = shared }) => { at.n += 1; };", "bump(object);", "shared");
    keeps("const table = { a: { n: 0 } };\nfunction of() { return table.a; }", "of().n = 1;", "table");
    keeps("const table = { a: { n: 0 } };\nconst of = () => table;", "const t = of(); t.a.n = 1;", "table");
    keeps("const list = [1];", "Array.prototype.push.call(list, object.name);", "list");
    keeps("const list = [1];", "[].push.apply(list, object.names);", "list");
    keeps("const table: any = { a: {} };", "Object.assign(table.a, object);", "table");
    keeps("const table: any = { a: 1 };", "Reflect.set(table, 'a', 2);", "table");
}

#[test]
fn containers_that_do_not_look_like_one_are_state() {
    keeps("const state = { seen: new Set() };", "state.seen.add(object.name);", "state");
    keeps("const { seen } = { seen: new Set() };", "seen.add(object.name);", "seen");
    keeps("const make = (seen) => (o) => seen.add(o);\nconst put = make(new Set());", "put(object.name);", "seen");
    keeps("const make = (seen = new Set()) => (o) => seen.add(o);\nconst put = make();", "put(object.name);", "seen");
    keeps("const make = () => new Set();\nconst seen = make();", "seen.add(object.name);", "seen");
    keeps("const bytes = new Uint8Array(4);", "bytes.fill(1);", "bytes");
    keeps("const since = new Date(0);", "since.setFullYear(2030);", "since");
    keeps("const since = { at: new Date(0) };", "since.at.setTime(1);", "since");
    keeps("const names = ['a'].values();", "for (const name of names) deny(name);", "names");
    keeps("function* ids() { yield 1; }\nconst id = ids();", "deny([...id].join());", "id");
    keeps("const seen = new WeakMap([[{}, 1]]);\nconst key = {};", "seen.set(key, object);", "seen");
}

#[test]
fn regular_expressions_remember_wherever_they_are_kept() {
    keeps("const name = new RegExp('a', 'g');", "if (name.test(object.name)) deny('no');", "name");
    keeps("const flags = 'g';\nconst name = new RegExp('a', flags);", "name.exec(object.name);", "name");
    keeps("const names = { a: /a/g };", "if (names.a.test(object.name)) deny('no');", "names");
    keeps("const names = [/a/g, /b/];", "if (names.some((name) => name.test(object.name))) deny('no');", "names");
    keeps_nothing("const names = [/a/, /b/i];", "if (names.some((name) => name.test(object.name))) deny('no');");
    keeps_nothing("const name = new RegExp('a', 'i');", "if (name.test(object.name)) deny('no');");
}

#[test]
fn classes_that_remember_are_state() {
    keeps("class C { static n = 0; static bump() { this.n++; } }", "C.bump();", "this");
    keeps("class C { static #n = 0; static bump() { C.#n++; } }", "C.bump();", "C");
    keeps("class C { static seen = new Set(); }", "C.seen.add(object.name);", "C");
    keeps("class C { static n = 0; constructor() { (this.constructor as any).n++; } }", "new C();", "constructor");
    keeps("class C { static n = 0; }", "const c = new C(); (c.constructor as any).n += 1;", "constructor");
    keeps("class A { n = 0; bump() { this.n++; } }\nclass B extends A {}\nconst b = new B();", "b.bump();", "this");
    keeps("class C { n = 0; bump = () => { this.n++; }; }\nconst c = new C();", "c.bump();", "this");
    keeps(
        "class C { bump; constructor() { let n = 0; this.bump = () => ++n; } }\nconst c = new C();",
        "c.bump();",
        "n",
    );
    keeps(
        "class C { static one; n = 0; static get() { return (C.one ??= new C()); } bump() { this.n++; } }\nconst c = C.get();",
        "c.bump();",
        "this",
    );
    keeps(
        "class C { seen = []; list() { const { seen } = this; return seen; } put() { this.list().push(1); } }\nconst c = new C();",
        "c.put();",
        "this",
    );
    keeps("class C { n = 0; bump() { const self = this; self.n++; } }\nconst c = new C();", "c.bump();", "this");
    keeps(
        "function Counter() { this.n = 0; }\nCounter.prototype.bump = function () { this.n++; };\nconst c = new (Counter as any)();",
        "c.bump();",
        "this",
    );
    keeps("const hits: any = { n: 0 };\nhits.bump = function () { this.n++; };", "hits.bump();", "this");
}

#[test]
fn closures_made_by_methods_are_state() {
    keeps(
        "const make = { counter() { let n = 0; return () => ++n; } };\nconst next = make.counter();",
        "deny(next());",
        "n",
    );
    keeps(
        "class Make { static counter() { let n = 0; return () => ++n; } }\nconst next = Make.counter();",
        "deny(next());",
        "n",
    );
    keeps(
        "const rules = ['a'].map(rule);\nfunction rule(name) { const seen = []; return (o) => seen.push(o); }",
        "rules[0](object);",
        "seen",
    );
    keeps(
        "const outer = () => () => { let n = 0; return () => ++n; };\nconst make = outer();\nconst next = make();",
        "deny(next());",
        "n",
    );
    keeps("const outer = () => () => { let n = 0; return () => ++n; };\nconst next = outer()();", "deny(next());", "n");
}

#[test]
fn the_global_object_of_the_bundle_is_state() {
    keeps("", "(globalThis as any).hits = ((globalThis as any).hits ?? 0) + 1;", "globalThis");
    keeps_nothing(
        "(globalThis as any).settings = { a: 1 };",
        "deny((globalThis as any).settings.a + globalThis.parseInt('1'));",
    );
}

#[test]
fn what_nobody_could_change_is_not_state() {
    let first = "function first(list) { return list.length > 0 ? list[0] : nothing; }";
    keeps_nothing(&format!("var nothing;\n{first}"), "const found: any = first(object.list); found.n = 1;");
    keeps_nothing(
        &format!("const nothing: any = 'x' + 1;\n{first}"),
        "const found: any = first(object.list); found.n = 1;",
    );
    keeps(
        &format!("const nothing: any = {{ n: 0 }};\n{first}"),
        "const found: any = first(object.list); found.n = 1;",
        "nothing",
    );
}

#[test]
fn reading_and_copying_are_not_state() {
    keeps_nothing("const rules = [{ name: 'a' }];", "for (const { name } of rules) if (object[name]) deny(name);");
    keeps_nothing(
        "const rules = [{ name: 'a' }];",
        "const found = rules.find((rule) => rule.name === object.name); deny(found?.name);",
    );
    keeps_nothing(
        "const names = ['b', 'a'];",
        "const sorted = [...names].sort(); sorted.push(object.name); deny(sorted.join());",
    );
    keeps_nothing(
        "const names = ['b', 'a'];",
        "const some = names.filter((name) => name > 'a'); some.push('c'); deny(some.join());",
    );
    keeps_nothing(
        "const table: any = { a: 1 };",
        "const copy = { ...table }; copy.b = 2; deny(Object.keys(copy).join());",
    );
    keeps_nothing("const table: any = { a: 1 };", "const copy = Object.assign({}, table); copy.b = 2; deny(copy.b);");
    keeps_nothing(
        "const names = new Set(['a']);",
        "const mine = new Set(names); mine.add(object.name); deny(mine.size);",
    );
    keeps_nothing(
        "const table: any = { a: ['x'] };",
        "const errors = []; for (const name of table.a) errors.push(name); deny(errors.join());",
    );
    keeps_nothing(
        "import { quantity } from \"@bylaw/sdk\";\nconst limits = { cpu: quantity('1'), memory: quantity('1Gi') };",
        "const { memory } = limits; deny(limits.cpu.add(quantity('1')).toString() + memory.add(quantity('1')).toString());",
    );
    keeps_nothing(
        "const all = (list) => { const out = []; list.forEach((one) => out.push(one)); return out; };\nconst names = all(['a']);",
        "deny(all(object.names).join() + names.join());",
    );
    keeps_nothing(
        "const by = (list, key) => list.reduce((into, one) => { into[one[key]] = one; return into; }, {});\nconst known = by([{ a: 1 }], 'a');",
        "deny(Object.keys(by(object.list, 'a')).join() + known.a);",
    );
    keeps_nothing(
        "const rules = [{ name: 'a' }];",
        "const by: any = rules.reduce((into: any, rule) => { into[rule.name] = rule; return into; }, {}); by.b = 1; deny(by.b);",
    );
    keeps("const rules = [{ n: 0 }];", "rules.reduce((sum, rule) => { rule.n++; return sum; }, 0);", "rules");
    keeps_nothing(
        "const symbol = Symbol.for('bylaw');",
        "const mine = { [symbol]: 1 }; deny(mine[symbol] + String(Symbol.for(object.name)));",
    );
}
