/*! In the shape that webpack gives a script with `libraryTarget: "commonjs"`; the manifest holds it packed. */
(() => {
  "use strict";
  var __webpack_modules__ = {
    10: (module, exports, require) => {
      Object.defineProperty(exports, "__esModule", { value: true });
      exports.unlabelled = (object, wanted) => {
        const labels = object.metadata.labels || {};
        return wanted.filter((label) => !Object.prototype.hasOwnProperty.call(labels, label));
      };
    },
    20: (module, exports, require) => {
      module.exports = { ...require(10), wanted: ["app", "owner"] };
    },
  };
  var __webpack_module_cache__ = {};
  function __webpack_require__(id) {
    var cached = __webpack_module_cache__[id];
    if (cached !== undefined) return cached.exports;
    var module = (__webpack_module_cache__[id] = { exports: {} });
    __webpack_modules__[id](module, module.exports, __webpack_require__);
    return module.exports;
  }
  __webpack_require__.g = (function () {
    if (typeof globalThis === "object") return globalThis;
    try {
      return this || new Function("return this")();
    } catch (e) {
      if (typeof window === "object") return window;
    }
  })();
  var __webpack_exports__ = {};
  (() => {
    Object.defineProperty(__webpack_exports__, "__esModule", { value: true });
    const labels = __webpack_require__(20);
    const missing = labels.unlabelled(__webpack_require__.g.request.object, labels.wanted);
    __webpack_exports__.missing = missing;
    if (missing.length) deny(`labels are missing: ${missing.join(", ")} (${__policy})`);
  })();
  var target = exports;
  for (var name in __webpack_exports__) target[name] = __webpack_exports__[name];
  if (target.missing.length !== 0) deny("exports are not what was written to them");
})();
