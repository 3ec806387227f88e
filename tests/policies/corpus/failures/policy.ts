// Every way to fail, and policies that want to know how the context holds up.
import { policy } from "@bylaw/sdk";
import type { ConfigMap } from "@bylaw/sdk/k8s/core/v1";

const WAYS: Record<string, (object: ConfigMap) => unknown> = {
  throws: () => {
    throw new TypeError("thrown");
  },
  "throws a text": () => {
    // eslint-disable-next-line @typescript-eslint/only-throw-error -- it is what is tested
    throw "just text";
  },
  "throws an object": () => {
    // eslint-disable-next-line @typescript-eslint/only-throw-error -- it is what is tested
    throw { reason: "none" };
  },
  rejects: async () => {
    await Promise.resolve();
    throw new RangeError("rejected");
  },
  returns: () => "denied",
  reads: (object) => (object as unknown as { spec: { replicas: number } }).spec.replicas,
  changes: (object) => {
    object.data = {};
  },
  "changes inside": (object) => {
    (object.data ?? {})["way"] = "another";
  },
  adds: (object) => {
    Object.assign(object, { extra: 1 });
  },
};

export default policy<ConfigMap>({
  name: "failures.corpus.example",
  match: { resources: ["configmaps"] },
  validate({ object }) {
    return WAYS[object.data?.["way"] ?? ""]?.(object as ConfigMap) as undefined;
  },
});
