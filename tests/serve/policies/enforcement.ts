import { policy } from "@bylaw/sdk";

// Each acts when the object's `data.run` names it.
const match = { resources: ["configmaps"] };
const runs = (context: any, name: string) => context.object.data.run === name;

const enforced = (name: string, enforcement: "Deny" | "Warn" | "Dry") =>
  policy({
    name: `${name}.policies.example`,
    match,
    enforcement,
    validate(context) {
      if (!runs(context, name)) return;
      context.deny("not this");
      context.warn("mind");
      context.audit("key", "value");
    },
  });

export default [
  enforced("deny", "Deny"),
  enforced("warn", "Warn"),
  enforced("dry", "Dry"),
  policy({
    name: "detailed.policies.example",
    match,
    validate(context) {
      if (!runs(context, "detailed")) return;
      context.deny("first", { field: "data.a", reason: "Invalid", code: 422 });
      context.deny("second", { field: "data.b" });
    },
  }),
  policy({
    name: "many.policies.example",
    match,
    validate(context) {
      if (!runs(context, "many")) return;
      for (let n = 1; n <= 14; n += 1) context.deny(`fault ${n}`);
    },
  }),
  policy({
    name: "talkative.policies.example",
    match,
    validate(context) {
      if (!runs(context, "talkative")) return;
      context.warn("x".repeat(1000));
      context.warn("two\nlines\u001b[31m");
      for (let n = 0; n < 100; n += 1) context.warn(`${n} ${"y".repeat(200)}`);
    },
  }),
];
