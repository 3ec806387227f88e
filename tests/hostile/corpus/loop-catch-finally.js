// A loop that goes on in what should end it.
// must: error Time
// as script: same
function validate(c) {
  for (;;) { try { for (;;); } catch { continue; } finally { continue; } }
}
