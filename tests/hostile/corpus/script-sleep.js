// Sleeps for as long as it may.
// must: error
// dialect: script
for (;;) sleep(1000);
