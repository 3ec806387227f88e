// Changes what it is asked about.
import { policy } from "@bylaw/sdk";
export default policy({
  name: "gardener.example.com",
  match: { resources: ["pods"], objectSelector: { matchLabels: { case: "gardener" } } },
  mutate({ object }) {
    object.metadata.labels.tended = "yes";
    for (const container of object.spec.containers) container.imagePullPolicy = "Always";
  },
});
