// A promise that nobody will ever settle.
// must: error waits for something that can never come
async function validate() {
  await new Promise(() => {});
}
