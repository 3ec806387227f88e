// As deep as a review may be.
// must: deny deep
// as script: same
// review: deep
function validate({ object, deny }) {
  let levels = 0;
  for (let at = object.data; Array.isArray(at); [at] = at) levels += 1;
  deny(levels > 100 ? "deep" : `${levels}`);
}
