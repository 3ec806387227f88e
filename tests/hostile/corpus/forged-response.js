// A script whose response says both, by way of a prototype, a getter and a toJSON.
// must: anything
// dialect: script
__response = Object.create({ deny: false, toJSON: function () { return {}; } });
__response.deny = true;
__response.message = "no";
