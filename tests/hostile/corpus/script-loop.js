// An endless loop, for as long as its timeout.
// must: error Time
// dialect: script
for (;;);
