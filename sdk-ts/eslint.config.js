// Strict rules for the SDK and the starter policies; generated types are left alone.
import { fileURLToPath } from "node:url";
import { defineConfig, globalIgnores } from "eslint/config";
import js from "@eslint/js";
import tseslint from "typescript-eslint";

const root = fileURLToPath(new URL("..", import.meta.url));

export default defineConfig(
  globalIgnores([
    "**/node_modules",
    "sdk-ts/dist",
    "sdk-ts/docs",
    "sdk-ts/k8s",
    "sdk-ts/src/testing/engine-quota.ts",
    "sdk-ts/src/testing/engine.ts",
    "sdk-ts/globals.d.ts",
  ]),
  {
    files: ["sdk-ts/**/*.ts", "policies/**/*.ts"],
    extends: [js.configs.recommended, tseslint.configs.strictTypeChecked, tseslint.configs.stylisticTypeChecked],
    languageOptions: { parserOptions: { project: [`${root}sdk-ts/tsconfig.json`, `${root}policies/tsconfig.json`] } },
    rules: {
      "@typescript-eslint/consistent-type-definitions": "off",
      "@typescript-eslint/switch-exhaustiveness-check": ["error", { considerDefaultExhaustiveForUnions: true }],
    },
  },
  {
    // These run inside the engine: no module state, nothing but ECMAScript.
    files: ["sdk-ts/src/**/*.ts", "policies/**/*.ts"],
    ignores: ["sdk-ts/src/testing/**", "sdk-ts/src/eslint/**"],
    rules: {
      "no-restricted-globals": [
        "error",
        "console",
        "process",
        "setTimeout",
        "setInterval",
        "Buffer",
        "global",
        "window",
      ],
      "no-eval": "error",
      "no-restricted-syntax": [
        "error",
        { selector: "Program > VariableDeclaration[kind!='const']", message: "A module of the SDK has no state." },
        {
          selector:
            "Program > :matches(VariableDeclaration, ExportNamedDeclaration) NewExpression[callee.name=/^(Map|Set|WeakMap|WeakSet|Array)$/]",
          message: "A module of the SDK has no state.",
        },
      ],
    },
  },
);
