/** A Kubernetes API server on loopback with everything that it has switched on, for its OpenAPI. */

import { spawn, type ChildProcess } from "node:child_process";
import { generateKeyPairSync, randomUUID } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:https";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

/** Machines that test compile meanwhile. */
const READY_WITHIN = 120_000;

export interface ApiServer {
  /** The JSON at a path. */
  get(path: string): Promise<unknown>;
  stop(): Promise<void>;
}

/** Starts `etcd` and `kube-apiserver` of a folder, as `cargo xtask` builds them. */
export async function startApiServer(programs: string): Promise<ApiServer> {
  const folder = mkdtempSync(join(tmpdir(), "bylaw-openapi-"));
  const [etcdPort, peerPort, port] = [await freePort(), await freePort(), await freePort()];
  const [etcd, peer] = [`http://127.0.0.1:${String(etcdPort)}`, `http://127.0.0.1:${String(peerPort)}`];
  const token = randomUUID();
  const file = (name: string, text: string) => {
    const path = join(folder, name);
    writeFileSync(path, text, { mode: 0o600 });
    return path;
  };
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const key = file("sa.key", privateKey.export({ type: "sec1", format: "pem" }) as string);
  const run = (program: string, parameters: string[]) => {
    const log = openSync(join(folder, `${program}.log`), "a");
    return spawn(join(programs, program), parameters, { stdio: ["ignore", log, log] });
  };
  const running: ChildProcess[] = [
    run("etcd", [
      `--data-dir=${join(folder, "etcd")}`,
      `--listen-client-urls=${etcd}`,
      `--advertise-client-urls=${etcd}`,
      `--listen-peer-urls=${peer}`,
      `--initial-advertise-peer-urls=${peer}`,
      `--initial-cluster=default=${peer}`,
      "--log-level=warn",
      "--unsafe-no-fsync",
    ]),
    run("kube-apiserver", [
      `--etcd-servers=${etcd}`,
      "--bind-address=127.0.0.1",
      "--advertise-address=127.0.0.1",
      `--secure-port=${String(port)}`,
      `--cert-dir=${join(folder, "certificates")}`,
      `--service-account-key-file=${key}`,
      `--service-account-signing-key-file=${key}`,
      "--service-account-issuer=https://kubernetes.default.svc",
      `--token-auth-file=${file("tokens.csv", `${token},admin,admin,system:masters\n`)}`,
      "--authorization-mode=RBAC",
      "--service-cluster-ip-range=10.0.0.0/24",
      "--endpoint-reconciler-type=none",
      "--disable-admission-plugins=ServiceAccount",
      "--runtime-config=api/all=true",
      "--feature-gates=AllAlpha=true,AllBeta=true",
    ]),
  ];
  const stop = async () => {
    const ended = running.filter((child) => child.exitCode === null).map(async (child) => once(child, "exit"));
    for (const child of running) child.kill("SIGKILL");
    await Promise.all(ended);
    rmSync(folder, { recursive: true, force: true });
  };
  const server: ApiServer = { get: async (path) => JSON.parse(await read(port, token, path)) as unknown, stop };
  const until = Date.now() + READY_WITHIN;
  for (;;) {
    const ready = await read(port, token, "/readyz").catch(() => "");
    if (ready === "ok") return server;
    if (Date.now() > until || running.some((child) => child.exitCode !== null)) {
      await stop();
      throw new Error(`the API server of ${programs} does not start`);
    }
    await sleep(250);
  }
}

async function read(port: number, token: string, path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    // It signs its own certificate, and only this process knows the port and the token.
    const options = {
      host: "127.0.0.1",
      port,
      path,
      headers: { authorization: `Bearer ${token}` },
      rejectUnauthorized: false,
    };
    const asked = request(options, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (part: string) => (text += part));
      response.on("end", () => {
        if (response.statusCode === 200) resolve(text);
        else reject(new Error(`${path}: ${String(response.statusCode)}`));
      });
    });
    asked
      .on("error", reject)
      .setTimeout(60_000, () => {
        asked.destroy(new Error(`${path}: no answer`));
      })
      .end();
  });
}

async function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer().on("error", reject);
    probe.listen(0, "127.0.0.1", () => {
      const address = probe.address();
      probe.close(() => {
        resolve(typeof address === "object" && address !== null ? address.port : 0);
      });
    });
  });
}
