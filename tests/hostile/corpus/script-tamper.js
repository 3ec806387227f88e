// Poisons the realm for the reading of its own response.
// must: anything
// dialect: script
Object.prototype.toJSON = () => ({ deny: false });
Array.isArray = JSON.stringify = JSON.parse = () => { for (;;); };
deny("poisoned");
