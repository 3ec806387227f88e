// Parameters of a URL, each of which has it parsed again.
// must: error Time or Memory or RangeError
// within: 10
function validate() {
  const url = new URL("http://a/");
  for (let at = 0; ; at += 1) url.searchParams.append(`key-${at}`, "x".repeat(1000));
}
