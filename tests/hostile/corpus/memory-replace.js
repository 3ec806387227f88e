// A replacement that makes a text of thousands of times the length.
// must: error Invalid string length or Memory or Time
// as script: same
// within: 10
// costs a thread
function validate() {
  "x".repeat(1 << 16).replace(/x/g, "$&$`$'".repeat(64));
}
