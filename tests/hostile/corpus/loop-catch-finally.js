// A loop that goes on in what should end it.
// must: error more processor time
function validate(c) {
  for (;;) { try { for (;;); } catch { continue; } finally { continue; } }
}
