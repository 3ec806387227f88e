// A conversion that never returns, in a message for the record.
// must: error Time
// as script: same
function validate() {
  `${{ [Symbol.toPrimitive]() { for (;;); } }}`;
}
