// An endless loop, for as long as its timeout.
// must: error
// dialect: script
for (;;);
