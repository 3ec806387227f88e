// A hundred megabytes for a decoder, by way of a quota of thirty-two.
// must: error RangeError or Memory
function validate() {
  new TextDecoder().decode(new Uint8Array(1e8));
}
