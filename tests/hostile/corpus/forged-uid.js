// A mutation of the whole envelope instead of the object.
// must: anything
// handlers: mutate
function mutate({ object, request }) {
  for (const key of Object.keys(object)) delete object[key];
  Object.assign(object, { response: { uid: "x", allowed: true }, kind: "AdmissionReview" });
  try { request.uid = "forged"; } catch { }
}
