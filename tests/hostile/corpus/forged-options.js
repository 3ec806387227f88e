// Options whose getters change with each look.
// must: deny told
function validate({ deny }) {
  let looks = 0;
  deny("told", { get code() { looks += 1; return looks > 1 ? 200 : 403; }, get field() { return "spec"; }, get reason() { return looks > 1 ? "Allowed" : "Forbidden"; } });
}
