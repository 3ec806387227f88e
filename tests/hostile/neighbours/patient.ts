// Answers after a turn of its own, out of the standard library.
import { policy } from "@bylaw/sdk";
export default policy({
  name: "patient.example.com",
  match: { resources: ["pods"], objectSelector: { matchLabels: { case: "patient" } } },
  async validate({ object, deny }) {
    const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(JSON.stringify(object.spec)));
    deny([...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, "0")).join(""));
  },
});
