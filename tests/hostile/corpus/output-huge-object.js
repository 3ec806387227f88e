// A mutation that leaves an object of a hundred megabytes.
// must: error more than 8388608 or Memory or Time
// handlers: mutate
// within: 10
function mutate({ object }) {
  object.data = "x".repeat(1e8);
}
