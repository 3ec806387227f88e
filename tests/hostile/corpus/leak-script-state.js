// A script that keeps what it saw, in each place that a sloppy script can write to.
// must: deny nothing kept
// dialect: script
// runs: 4
var kept = [globalThis.leakA, Object.prototype.leakB, Array.leakC, JSON.leakD, Symbol.for("leak").leakE, RegExp.$1, request.leakF, deny.leakG, typeof leakH].filter(function (x) { return x && x !== "undefined"; });
leakH = 1; globalThis.leakA = 1; Array.leakC = 1; JSON.leakD = 1; deny.leakG = 1; request.leakF = 1;
Object.defineProperty(Object.prototype, "leakB", { value: 1, configurable: true });
/(leak)/.test("leak");
deny(kept.length === 0 ? "nothing kept" : "kept " + kept.join());
