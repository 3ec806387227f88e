// Numbers that JavaScript does not hold.
// must: deny true true 9007199254740992 1.2345678901234568e+29 Infinity 0 0.1
// as script: same
// review: numbers
function validate({ object, deny }) {
  const [a, b, ...rest] = object.data;
  deny(`${Object.is(a, -0)} ${Object.is(b, -0)} ${rest.join(" ")}`);
}
