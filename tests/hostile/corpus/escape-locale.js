// Changes what dates, numbers and orders look like to everybody.
// must: error TypeError
function validate() {
  "use strict";
  for (const change of [
    () => { Date.prototype.getTime = () => 0; }, () => { Intl.DateTimeFormat = class {}; }, () => { Number.prototype.toLocaleString = () => "x"; },
    () => { String.prototype.localeCompare = () => 0; }, () => { Date.now = () => 0; }, () => { Math.random = () => 0; },
  ]) {
    try { change(); } catch { continue; }
    return;
  }
  Intl.Collator.prototype.resolvedOptions = () => ({});
}
