// The classic merge that pollutes, on data that wants it to.
// must: error TypeError
// as script: anything
// review: prototype keys
function validate({ object }) {
  const merge = (to, from) => {
    for (const key of Object.keys(from)) {
      if (typeof from[key] === "object") merge(to[key] ??= {}, from[key]);
      else to[key] = from[key];
    }
    return to;
  };
  merge({}, object.data);
}
