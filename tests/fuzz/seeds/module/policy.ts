import { policy, image } from "@bylaw/sdk";
import type { Pod } from "@bylaw/sdk/k8s/core/v1";
enum E { A = 1, B }
namespace N { export const x = 1; }
const cache = new Map<string, number>();
export default policy<Pod>({
  name: "a.b.c",
  async validate({ object, deny }) {
    for (const c of object.spec?.containers ?? []) if (image(c.image!).tag === `latest${E.A}`) deny("no" as string);
    cache.set("a", cache.size satisfies number);
  },
});
