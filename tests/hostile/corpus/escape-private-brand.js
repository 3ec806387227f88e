// Stamps private fields on the functions that all policies share: a mark that freezing does not stop.
// must: anything
// runs: 2
class Return { constructor(value) { return value; } }
class Stamp extends Return { #mark = "leak"; static read(value) { return #mark in value ? value.#mark : undefined; } }
function validate({ deny }) {
  const before = [Object, JSON, deny, globalThis].map((value) => Stamp.read(value));
  for (const value of [Object, JSON, deny, globalThis]) { try { new Stamp(value); } catch { } }
  deny(`marked before: ${before.join()}`);
}
