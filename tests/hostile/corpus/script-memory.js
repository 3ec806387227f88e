// A script that runs out of memory.
// must: error more memory
// within: 10
// dialect: script
const hoard = [];
for (;;) hoard.push({ hoard });
