// A number beyond the largest there is.
// must: error Maximum BigInt size exceeded
// as script: same
function validate() {
  return 2n ** (2n ** 40n);
}
