// Tells what `podSecurity` finds at each level and version, the names alone, where they differ from the version before.
import { podSecurity, policy, type Level, type PodSecurityVersion } from "@bylaw/sdk";
import type { Pod } from "@bylaw/sdk/k8s/core/v1";

const NEWEST = 40;
const levels: readonly Level[] = ["baseline", "restricted"];
const minors = Array.from({ length: NEWEST + 1 }, (_, minor) => `v1.${minor}` as PodSecurityVersion);
const judges = levels.map((level) =>
  [...minors, "latest" as const].map((version) => ({ at: `${level}/${version}`, judge: podSecurity(level, version) })),
);

export default policy<Pod>({
  name: "pod-security.test.bylaw.dev",
  match: { resources: ["pods"], operations: ["CREATE"] },
  validate({ object, deny }) {
    for (const ofLevel of judges) {
      let before: string | undefined;
      for (const { at, judge } of ofLevel) {
        const names = [...new Set(judge(object).map(({ check }) => check))].join(",");
        if (names !== before) deny(`:${names}`, { field: at });
        before = names;
      }
    }
  },
});
