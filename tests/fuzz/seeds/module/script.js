const env = 1;
if (request.name) { return; }
var r = /[/"'`]+/g, t = `a${`b${1}`}`;
label: for (let i = 0; i < 3; i++) { if (i) continue label; }
(function () { this.x = [..."ab"].map(a => ({ a })); }).call(exports);
deny("x") // no