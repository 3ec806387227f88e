// Sleeps for as long as it may.
// must: error Time
// dialect: script
for (;;) sleep(1000);
