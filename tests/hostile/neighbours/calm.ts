// Has nothing to say.
import { containers, policy } from "@bylaw/sdk";
export default policy({
  name: "calm.example.com",
  match: { resources: ["pods"], objectSelector: { matchLabels: { case: "calm" } } },
  validate({ object, deny }) {
    for (const { container } of containers(object)) if (container.image === "") deny("no image");
  },
});
