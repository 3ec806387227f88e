// Keys that name prototypes, which must stay keys.
// must: deny ["__proto__","constructor","toString","valueOf","hasOwnProperty","a"] true undefined 2
// as script: same
// review: prototype keys
function validate({ object, deny }) {
  const { data } = object;
  const copy = Object.assign({}, data.constructor.prototype);
  deny(`${JSON.stringify(Object.keys(data))} ${Object.getPrototypeOf(data) === Object.prototype} ${({}).polluted ?? (copy === null ? 1 : undefined)} ${data.a}`);
}
