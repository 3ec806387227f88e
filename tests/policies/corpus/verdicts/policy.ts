// What a policy says, word by word: the config map's data tells it what.
import { policy } from "@bylaw/sdk";
import type { ConfigMap } from "@bylaw/sdk/k8s/core/v1";

type Said = { deny?: [string, object?][]; warn?: string[]; audit?: [string, string][]; repeat?: number };

export default policy<ConfigMap>({
  name: "verdicts.corpus.example",
  match: { resources: ["configmaps"], operations: ["CREATE"] },
  async validate({ object, deny, warn, audit }) {
    const said = JSON.parse(object.data?.["say"] ?? "{}") as Said;
    for (let round = 0; round < (said.repeat ?? 1); round += 1) {
      for (const [message, options] of said.deny ?? []) deny(message.replace("#", String(round)), options);
    }
    await Promise.resolve();
    for (const text of said.warn ?? []) warn(text);
    for (const [key, value] of said.audit ?? []) audit(key, value);
  },
});
