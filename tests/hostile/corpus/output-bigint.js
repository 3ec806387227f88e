// A mutation that leaves what JSON has no word for.
// must: error BigInt
// handlers: mutate
function mutate({ object }) {
  object.count = 1n;
}
