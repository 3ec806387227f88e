// Imports at run time, by a script.
// must: anything
// dialect: script
import("data:text/javascript,1").then(function () { for (;;); });
