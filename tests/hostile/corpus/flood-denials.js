// More to say than any answer can hold.
// must: deny fault 0
// as script: same
function validate({ deny, warn, audit }) {
  for (let i = 0; i < 1e5; i += 1) deny(`fault ${i} ${"\u0001".repeat(1e3)}`);
  for (let i = 0; i < 1e5; i += 1) warn("\u0001".repeat(1e3));
  for (let i = 0; i < 1e5; i += 1) audit(`key-${i}`, "\u0001".repeat(1e3));
}
