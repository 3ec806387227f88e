// Changes the request that its neighbours are shown.
// must: error TypeError
function validate({ object }) {
  object.spec.containers.length = 0;
}
