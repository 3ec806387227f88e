// A script that names a source map of its own, with an index section that repeats itself.
// must: error Error: x
// as script: same
function validate() {
  throw new Error("x");
}
//# sourceMappingURL=data:application/json;base64,eyJ2ZXJzaW9uIjozLCJzZWN0aW9ucyI6W3sib2Zmc2V0Ijp7ImxpbmUiOjAsImNvbHVtbiI6MH0sIm1hcCI6eyJ2ZXJzaW9uIjozLCJzb3VyY2VzIjpbIi4uLy4uLy4uLy4uL2V0Yy9wYXNzd2QiXSwibWFwcGluZ3MiOiJnZ2dnZ2dnZ2dnZ2dnZ2dnZ2dnQiJ9fV19
//# sourceMappingURL=file:///etc/passwd
//# sourceURL=bylaw:module
