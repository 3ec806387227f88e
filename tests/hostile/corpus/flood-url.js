// A URL of a hundred megabytes, and one of sixteen.
// must: error the argument is longer than or Memory or Time
function validate() {
  try { new URL(`http://a/${"x".repeat(1e8)}`); } catch { }
  URL.canParse(`http://a/?${"%00".repeat(5e6)}`);
  new URL(`http://a/${"x".repeat(1e8)}`);
}
