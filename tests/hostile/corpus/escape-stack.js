// Reads the engine's own frames, paths and functions out of error stacks.
// must: deny clean
function validate({ deny }) {
  const seen = [];
  try { Error.prepareStackTrace = (error, frames) => { seen.push(...frames.map((frame) => frame.getThis?.() ?? frame.getFunction?.())); return ""; }; } catch { }
  try { Error.stackTraceLimit = Infinity; } catch { }
  const holder = {};
  try { Error.captureStackTrace?.(holder, deny); } catch { }
  const stacks = [String(new Error("x").stack), String(holder.stack)];
  try { null.x; } catch (error) { stacks.push(String(error.stack)); }
  try { deny({}); } catch (error) { stacks.push(String(error.stack)); }
  const bad = stacks.filter((stack) => /\.rs:|rusty|src\/isolate|native code\)\n/.test(stack));
  const functions = seen.filter((value) => typeof value === "function" && /call|native/.test(value.name));
  deny(bad.length + functions.length === 0 ? "clean" : bad.join().slice(0, 300) + functions.map((f) => f.name).join());
}
