// Many patterns that backtrack, after one another, in a replacement.
// must: error Time
// as script: same
function validate() {
  for (;;) "a".repeat(28).replaceAll(/(a|aa)+$|^(a*)*b/g, () => "x").match(/(x+x+)+y/);
}
