// Text made code, by each of the four constructors.
// must: deny 5 of 5 refused
// as script: same
async function validate({ deny }) {
  const makers = [() => (0, eval)("1"), () => Function("return 1")(), () => (async () => {}).constructor("return 1")(),
    () => (function* () {}).constructor("yield 1")(), () => (async function* () {}).constructor("yield 1")()];
  let refused = 0;
  for (const make of makers) {
    try {
      make();
    } catch (error) {
      refused += error.message.includes("Code generation from strings disallowed") ? 1 : 0;
    }
  }
  deny(`${refused} of ${makers.length} refused`);
}
