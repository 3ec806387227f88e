// Counts its own runs: what a policy keeps must not reach the next request.
// must: deny run 1
// runs: 4
let runs = 0;
const seen = new Map();
function validate({ deny, request }) {
  runs += 1;
  seen.set(request.uid, runs);
  deny(`run ${runs}, ${seen.size} seen`);
}
