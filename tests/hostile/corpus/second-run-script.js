// A script that would loop the second time it runs in a realm.
// must: deny calm
// dialect: script
// runs: 3
if (globalThis.ran) for (;;);
globalThis.ran = true;
deny("calm");
