/** The committed types of Kubernetes are those of the API server that the tests run on. */

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startApiServer, type ApiServer } from "../scripts/api-server.ts";
import { kubernetesTypes, OUT } from "../scripts/generate-types.ts";

/** Where `cargo xtask` built the servers: it says so. */
const programs = process.env["BYLAW_TEST_CLUSTER_BIN"] ?? "";
const isBuilt = existsSync(join(programs, "kube-apiserver")) && programs !== "";

interface ResourceList {
  groupVersion: string;
  resources: { name: string; kind: string; group?: string; version?: string }[];
}

describe.skipIf(!isBuilt)("the types of Kubernetes", () => {
  let server: ApiServer;
  beforeAll(async () => {
    server = await startApiServer(programs);
  }, 150_000);
  afterAll(async () => server.stop());

  it("are what `npm run generate` makes of its OpenAPI", async () => {
    const made = await kubernetesTypes(server);
    const committed = readdirSync(OUT, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".ts"));
    expect(committed.sort()).toEqual([...made.keys()].sort());
    for (const [name, text] of made) expect(readFileSync(join(OUT, name), "utf8"), name).toBe(text);
  });

  it("have every kind that it serves", async () => {
    const { groups } = (await server.get("/apis")) as { groups: { versions: { groupVersion: string }[] }[] };
    const versions = groups.flatMap((group) => group.versions.map(({ groupVersion }) => `/apis/${groupVersion}`));
    const missing: string[] = [];
    let count = 0;
    for (const path of ["/api/v1", ...versions]) {
      const { groupVersion, resources } = (await server.get(path)) as ResourceList;
      for (const { kind, group, version } of resources) {
        const of = version === undefined ? groupVersion : [group, version].filter(Boolean).join("/");
        count += 1;
        if (!hasType(of, kind)) missing.push(`${of}/${kind}`);
      }
    }
    expect(missing).toEqual([]);
    expect(count).toBeGreaterThan(100);
  });
});

/** `networking.k8s.io/v1` is in `networking/v1.ts`, `v1` in `core/v1.ts`. */
function hasType(groupVersion: string, kind: string): boolean {
  const [version = "", group = "core"] = groupVersion.split("/").reverse();
  const folders = [
    group.split(".")[0] ?? "",
    group.replace(".k8s.io", "").split(".")[0] ?? "",
    "rbac",
    "apiserverinternal",
  ];
  const files = folders.map((folder) => join(OUT, folder, `${version}.ts`)).filter((file) => existsSync(file));
  return files.some((file) =>
    new RegExp(`^export (?:interface|type) ${kind}\\b`, "m").test(readFileSync(file, "utf8")),
  );
}
