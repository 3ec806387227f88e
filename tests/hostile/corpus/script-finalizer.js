// Code that would run when the collector has been around, under nobody's limits.
// must: error FinalizationRegistry is not defined
// dialect: script
const registry = new FinalizationRegistry(() => { for (;;); });
for (let i = 0; i < 1e5; i++) registry.register({}, i);
