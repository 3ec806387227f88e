/**
 * The helpers against what Kubernetes, Go and the container runtimes make of the same texts: thousands of random ones,
 * put to the Go program `tests/cluster/helpers`.
 */

import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { cidr, duration, image, quantity, selector, type LabelSelector } from "../src/index.ts";

const module = fileURLToPath(new URL("../../tests/cluster", import.meta.url));
const hasGo = spawnSync("go", ["version"]).status === 0;
const ROUNDS = 4_000;

interface Answer {
  error?: boolean;
  text?: string;
  order: number;
  sum?: string;
  is: boolean;
  parts?: string[];
}

let folder: string;
beforeAll(() => {
  if (!hasGo) return;
  folder = mkdtempSync(join(tmpdir(), "bylaw-helpers-"));
  const env = { ...process.env, CGO_ENABLED: "0", GOFLAGS: "-mod=readonly" };
  execFileSync("go", ["build", "-trimpath", "-o", join(folder, "helpers"), "./helpers"], {
    cwd: module,
    env,
    stdio: "inherit",
  });
}, 300_000);
afterAll(() => {
  if (hasGo) rmSync(folder, { recursive: true, force: true });
});

/** Puts random questions to upstream and to ours, and gives those to which the answers differ. */
function differences<Q extends object>(
  helper: string,
  questions: fc.Arbitrary<Q>,
  ours: (question: Q) => Partial<Answer>,
): unknown[] {
  const asked = fc.sample(questions, { numRuns: ROUNDS, seed: 20261121 });
  const input = asked.map((question) => JSON.stringify({ helper, ...question })).join("\n");
  const output = execFileSync(join(folder, "helpers"), { input, encoding: "utf8", maxBuffer: 1 << 28 });
  const answers = output
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Answer);
  return asked.flatMap((question, at) => {
    const upstream = answers[at] ?? { order: 0, is: false };
    const answer = attempt(() => ours(question));
    const fields = Object.keys(answer) as (keyof Answer)[];
    const isSame = upstream.error === answer.error && fields.every((field) => same(answer[field], upstream[field]));
    return isSame ? [] : [{ question, upstream, answer }];
  });
}

function same(one: unknown, other: unknown): boolean {
  return JSON.stringify(one ?? "") === JSON.stringify(other ?? "");
}

function attempt(work: () => Partial<Answer>): Partial<Answer> {
  try {
    return work();
  } catch {
    return { error: true };
  }
}

const digits = (most: number) => fc.stringMatching(new RegExp(`^[0-9]{0,${String(most)}}$`));
const joined = (...parts: fc.Arbitrary<string>[]) => fc.tuple(...parts).map((texts) => texts.join(""));

describe.skipIf(!hasGo)("equal to upstream", () => {
  it("quantity", () => {
    const suffix = fc.constantFrom(
      "",
      "n",
      "u",
      "m",
      "k",
      "M",
      "G",
      "T",
      "P",
      "E",
      "Ki",
      "Mi",
      "Gi",
      "Ti",
      "Pi",
      "Ei",
      "e3",
      "E-2",
      "e-9",
      "e+6",
      "e0",
      "K",
      "ki",
      "e",
      "Zi",
      "mi",
    );
    const text = joined(
      fc.constantFrom("", "", "", "-", "+"),
      digits(10),
      fc.constantFrom("", "", "."),
      digits(5),
      suffix,
    );
    const found = differences("quantity", fc.record({ text, other: text }), ({ text, other }) => {
      const [one, another] = [quantity(text), quantity(other)];
      return { text: one.toString(), order: one.compare(another), sum: one.add(another).toString() };
    });
    expect(found.slice(0, 5)).toEqual([]);
  });

  it("duration", () => {
    const unit = fc.constantFrom("ns", "us", "µs", "μs", "ms", "s", "m", "h", "d", "");
    const part = joined(digits(6), fc.constantFrom("", "", "."), digits(4), unit);
    const text = fc
      .tuple(fc.constantFrom("", "", "-", "+"), fc.array(part, { maxLength: 3 }))
      .map(([sign, parts]) => sign + parts.join(""));
    const found = differences("duration", fc.record({ text }), ({ text }) => ({ text: duration(text).toString() }));
    expect(found.slice(0, 5)).toEqual([]);
  });

  it("image", () => {
    const word = fc.constantFrom(
      "a",
      "nginx",
      "library",
      "docker.io",
      "index.docker.io",
      "localhost",
      "localhost:5000",
      "registry:5000",
      "quay.io",
      "Upper",
      "HOST.io",
      "a_b",
      "a__b",
      "a--b",
      "a.b",
      "a..b",
      "-a",
      "a-",
      "[fd00::1]:5000",
      "[fd00::1]",
      "h:x",
      "",
      "9",
      "a___b",
      "example.com.",
      "a-.b",
      "xn--p1ai",
      "_a",
    );
    const hex = "0123456789abcdef".repeat(4);
    const tag = fc.constantFrom(
      "",
      "",
      ":1.0",
      ":latest",
      ":_x",
      ":-x",
      ":A.b-c_d",
      ":",
      `:${"t".repeat(128)}`,
      `:${"t".repeat(129)}`,
      ":a:b",
    );
    const digest = fc.constantFrom(
      "",
      "",
      "",
      `@sha256:${hex}`,
      `@sha512:${hex}${hex}`,
      `@sha384:${hex}${hex.slice(32)}`,
      `@sha256:${hex.toUpperCase()}`,
      `@sha256:${hex.slice(1)}`,
      `@md5:${hex.slice(32)}`,
      "@",
      `@sha256:${hex}@sha256:${hex}`,
      `@sha256+b64:${hex}`,
    );
    const text = joined(
      fc.array(word, { minLength: 1, maxLength: 4 }).map((words) => words.join("/")),
      tag,
      digest,
    );
    const found = differences("image", fc.record({ text }), ({ text }) => {
      const { registry, repository, tag = "", digest = "" } = image(text);
      return { parts: [registry, repository, tag, digest] };
    });
    expect(found.slice(0, 5)).toEqual([]);
  });

  it("selector", () => {
    const key = fc.constantFrom(
      "a",
      "b",
      "example.com/c",
      "A",
      "-x",
      "a b",
      "",
      "x/y/z",
      "p".repeat(64),
      "a.b_c-d",
      "a/",
      "/a",
      "Ex.com/a",
      "a..b/c",
    );
    const value = fc.constantFrom("", "1", "2", "x.y", "-", "a_", "b c", "v".repeat(63), "v".repeat(64));
    const expression = fc.record({
      key,
      operator: fc.constantFrom("In", "NotIn", "Exists", "DoesNotExist", "Gt", ""),
      values: fc.array(value, { maxLength: 2 }),
    });
    const select = fc.option(
      fc.record(
        {
          matchLabels: fc.dictionary(key, value, { maxKeys: 2 }),
          matchExpressions: fc.array(expression, { maxLength: 2 }),
        },
        { requiredKeys: [] },
      ),
      { nil: null, freq: 20 },
    );
    const labels = fc.dictionary(
      fc.constantFrom("a", "b", "example.com/c", "A"),
      fc.constantFrom("", "1", "2", "x.y"),
      { maxKeys: 3 },
    );
    const found = differences("selector", fc.record({ select, labels }), ({ select, labels }) => ({
      is: selector(select as LabelSelector | null).matches(labels),
    }));
    expect(found.slice(0, 5)).toEqual([]);
  });

  it("cidr", () => {
    const v4 = fc
      .array(fc.integer({ min: 0, max: 260 }), { minLength: 3, maxLength: 4 })
      .map((parts) => parts.map((part) => part % 257).join("."));
    const group = fc.constantFrom("0", "1", "db8", "ffff", "2001", "fe80", "00ff", "12345", "");
    const v6 = fc
      .tuple(fc.array(group, { maxLength: 8 }), fc.constantFrom("", "::", "::1", "::ffff:10.0.0.1"))
      .map(([groups, end]) => groups.join(":") + end);
    const prefix = fc.oneof(fc.integer({ min: -1, max: 130 }).map(String), fc.constantFrom("", "08", "+8", "x"));
    const text = joined(
      fc.oneof(v4, v6, fc.constantFrom("10.0.0.0", "10.1.0.0", "::", "::1", "2001:db8::", "010.0.0.1")),
      fc.constant("/"),
      prefix,
    );
    const found = differences("cidr", fc.record({ text, other: text }), ({ text, other }) => {
      const [one, another] = [cidr(text), cidr(other)];
      return { text: one.toString(), is: one.contains(another), order: Number(one.overlaps(another)) };
    });
    expect(found.slice(0, 5)).toEqual([]);
  });
});
