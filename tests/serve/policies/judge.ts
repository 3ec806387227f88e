import { policy } from "@bylaw/sdk";

// A validating and a mutating policy for `bylaw review`.
const match = { resources: ["configmaps"] };

export default [
  policy<any>({
    name: "judge.policies.example",
    match,
    validate({ object, oldObject, deny }) {
      if ((object ?? oldObject).data?.a === "bad") deny("a must not be bad", { field: "data.a" });
    },
  }),
  policy<any>({
    name: "stamps.policies.example",
    match,
    mutate({ object }) {
      if (object?.data?.stamp) object.data.stamp = "set";
    },
  }),
];
