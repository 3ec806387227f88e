/** Cases of policies as files, and jsPolicy scripts run the short way. */

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { runInNewContext } from "node:vm";
import { parseAllDocuments } from "yaml";
import type { Case } from "../../src/testing/index.ts";

export interface Denial {
  message: string;
  reason?: string | undefined;
  code?: number | undefined;
}

interface JsPolicy {
  spec: { operations: string[]; resources: string[]; javascript: string };
}

export function casesIn(folder: string): (Case & { name: string })[] {
  const files = readdirSync(join(folder, "cases")).filter((file) => file.endsWith(".yaml"));
  return files.flatMap((file) =>
    parseAllDocuments(readFileSync(join(folder, "cases", file), "utf8")).map((document) => {
      if (document.errors.length > 0) throw new Error(`${folder}/${file}: ${String(document.errors[0])}`);
      return document.toJS() as Case & { name: string };
    }),
  );
}

/** What a classic script denies with the globals that jsPolicy gives it, as far as the starter set needs them. */
export function runScript({ spec }: JsPolicy, one: Case): Denial[] {
  const denials: Denial[] = [];
  const { operation = "CREATE", object } = one;
  const resource = `${(object as { kind: string }).kind.toLowerCase()}s`;
  if (!spec.operations.includes(operation) || !spec.resources.includes(resource)) return denials;
  const deny = (message: string, reason?: string, code?: number) => denials.push({ message, reason, code });
  runInNewContext(spec.javascript, { request: { operation, object }, deny });
  return denials;
}
