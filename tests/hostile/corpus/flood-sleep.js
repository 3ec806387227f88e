// A thousand short sleeps, which use no processor time.
// must: error Time or more than 1000 host calls
// dialect: script
for (;;) sleep(1);
