// A script that runs out of memory.
// must: error Time or Memory
// within: 10
// dialect: script
const hoard = [];
for (;;) hoard.push({ hoard });
