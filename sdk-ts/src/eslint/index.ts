/**
 * ESLint for policies, as a flat config:
 *
 * ```js
 * import bylaw from "@bylaw/sdk/eslint";
 * import tseslint from "typescript-eslint";
 *
 * export default tseslint.config(tseslint.configs.recommended, bylaw);
 * ```
 *
 * `bylaw lint` knows more: what is here is what an editor can say while you type.
 */

import type { Rule } from "./estree.ts";
import { RULES } from "./rules.ts";

export interface Config {
  readonly name: string;
  readonly files: string[];
  readonly ignores: string[];
  readonly plugins: Record<
    string,
    { readonly meta: { readonly name: string }; readonly rules: Readonly<Record<string, Rule>> }
  >;
  readonly rules: Record<string, "error" | ["error", ...unknown[]]>;
}

/** Globals of Node.js and of browsers, with what stands in for them. */
const ABSENT: Readonly<Record<string, string>> = Object.freeze({
  Atomics: "threads are not there",
  Buffer: "use `TextEncoder`, `atob`, `btoa`",
  FinalizationRegistry: "it would run after the request",
  SharedArrayBuffer: "threads are not there",
  WeakRef: "it would outlive the request",
  WebAssembly: "it is not there",
  __dirname: "a bundle has no folder",
  __filename: "a bundle has no file",
  document: "it is not there",
  global: "use `globalThis`",
  module: "write `export`",
  navigator: "it is not there",
  performance: "time stands still for as long as a request is judged: use `now`",
  process: "read variables with `env`, from the context and with permission",
  queueMicrotask: "use `await`",
  require: "write `import`",
  setImmediate: "there are no timers",
  setInterval: "there are no timers",
  setTimeout: "there are no timers",
  window: "it is not there",
});

/** Modules that are part of Node.js. */
const BUILT_IN: readonly string[] = Object.freeze(
  "assert async_hooks buffer child_process cluster console constants crypto dgram diagnostics_channel dns domain events fs http http2 https inspector module net os path perf_hooks process punycode querystring readline repl stream string_decoder sys timers tls trace_events tty url util v8 vm wasi worker_threads zlib".split(
    " ",
  ),
);

const NO_NODE = "A policy runs in the engine, which has no part of Node.js.";

/** For every module but tests and the configuration of tools. */
export const config: readonly Config[] = Object.freeze([
  Object.freeze({
    name: "bylaw/policies",
    files: ["**/*.ts", "**/*.mts", "**/*.js", "**/*.mjs"],
    ignores: ["**/*.test.*", "**/*.spec.*", "**/*.config.*", "**/*.d.ts"],
    plugins: { bylaw: { meta: { name: "@bylaw/sdk" }, rules: RULES } },
    rules: {
      "bylaw/no-floating-call": "error" as const,
      "bylaw/no-module-state": "error" as const,
      "bylaw/no-stateful-regexp": "error" as const,
      "bylaw/no-top-level-await": "error" as const,
      "no-eval": "error" as const,
      "no-implied-eval": "error" as const,
      "no-new-func": "error" as const,
      "no-restricted-globals": [
        "error" as const,
        ...Object.entries(ABSENT).map(([name, mend]) => ({ name, message: `The engine does not have it: ${mend}.` })),
      ] as ["error", ...unknown[]],
      "no-restricted-imports": [
        "error" as const,
        {
          paths: BUILT_IN.map((name) => ({ name, message: NO_NODE })),
          patterns: [
            { group: ["node:*"], message: NO_NODE },
            { group: ["fs/*", "dns/*", "stream/*", "timers/*", "path/*"], message: NO_NODE },
          ],
        },
      ] as ["error", ...unknown[]],
    },
  }),
]);

export default config;
