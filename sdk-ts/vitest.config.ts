import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

export default defineConfig({
  resolve: { alias: { "@bylaw/sdk": here("./src/index.ts") } },
  server: { fs: { allow: [here("..")] } },
  test: {
    include: ["test/**/*.test.ts"],
    // The first run fetches fixtures with Go.
    testTimeout: 60_000,
    typecheck: { include: ["test/**/*.test-d.ts"] },
  },
});
