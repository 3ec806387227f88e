// Defines accessors on prototypes through the old ways.
// must: deny 0 of 6
function validate({ deny }) {
  let done = 0;
  for (const change of [
    () => Object.prototype.__defineGetter__("leak", () => 1), () => Object.prototype.__defineSetter__("leak", () => 1), () => { Object.prototype.__proto__ = { leak: 1 }; },
    () => { ({}).__proto__.leak = 1; }, () => { [].__proto__.leak = 1; }, () => { (() => {}).__proto__.leak = 1; },
  ]) {
    try {
      change();
      done += {}.leak === undefined ? 0 : 1;
    } catch { }
  }
  deny(`${done} of 6`);
}
