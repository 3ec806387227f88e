// Arithmetic on ever larger numbers.
// must: error Time
// as script: same
function validate(c) {
  let n = 3n;
  for (let i = 0; ; i += 1) n = (n * n) % (2n ** 4096n) + BigInt(i);
}
