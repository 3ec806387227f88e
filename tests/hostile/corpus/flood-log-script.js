// A script that prints without end.
// must: error Time
// dialect: script
for (;;) print("x".repeat(1e5), { forged: "\n2026-01-01T00:00:00Z ERROR forged" });
