/**
 * Copies the engine's runtime of module policies into `src/testing`, so that the fakes build the context and record what
 * a policy says with the engine's own code.
 *
 *   npm run engine
 */

import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const at = (path: string) => fileURLToPath(new URL(path, import.meta.url));

export const ENGINE = at("../../src/isolate/js/module.js");
export const COPY = at("../src/testing/engine.ts");
export const QUOTA = at("../../src/isolate/js/quota.js");
export const QUOTA_COPY = at("../src/testing/engine-quota.ts");

/** The module that holds the engine's script `source`. It gets the `console` that policies log to. */
export function rendered(source: string): string {
  return `// @ts-nocheck: JavaScript, copied from src/isolate/js/module.js by \`npm run engine\`. Edit it there.
import type { Runtime } from "./runtime.ts";

export const engine: Runtime = (console) => (
${source.trimEnd()}
);
`;
}

/** The same for what the runtime is made upon. */
export function renderedQuota(source: string): string {
  return `// @ts-nocheck: JavaScript, copied from src/isolate/js/quota.js by \`npm run engine\`. Edit it there.
import type { Around } from "./runtime.ts";

export const around: Around = (
${source.trimEnd()}
);
`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  writeFileSync(COPY, rendered(readFileSync(ENGINE, "utf8")));
  writeFileSync(QUOTA_COPY, renderedQuota(readFileSync(QUOTA, "utf8")));
}
