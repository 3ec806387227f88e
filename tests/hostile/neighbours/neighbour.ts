// Denies and warns, as most policies do.
import { policy } from "@bylaw/sdk";
export default policy({
  name: "neighbour.example.com",
  match: { resources: ["pods"], objectSelector: { matchLabels: { case: "neighbour" } } },
  validate({ object, deny, warn }) {
    warn(`seen ${object.metadata.name}`);
    for (const [at, { image }] of object.spec.containers.entries()) {
      if (!image.includes("@")) deny(`${image} has no digest`, { field: `spec.containers[${at}].image` });
    }
  },
});
