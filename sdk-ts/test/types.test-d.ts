import { describe, expectTypeOf, it } from "vitest";
import {
  containers,
  image,
  podSecurity,
  policy,
  type DeepReadonly,
  type Finding,
  type KubernetesObject,
  type ListOptions,
  type Operation,
  type Policy,
} from "../src/index.ts";
import type { ConfigMap, Container, Pod, PodSpec } from "../k8s/core/v1.ts";
import type { Deployment } from "../k8s/apps/v1.ts";

interface Parameters {
  registries: string[];
}

describe("policy", () => {
  it("accepts the example of the contract", () => {
    const made = policy<Pod, Parameters>({
      name: "allowed-registries.images.example.com",
      title: "Images come from known registries",
      category: "Supply chain",
      severity: "high",
      match: { resources: ["pods", "pods/ephemeralcontainers"], operations: ["CREATE", "UPDATE"], workloads: true },
      parameters: {
        schema: {
          type: "object",
          required: ["registries"],
          properties: { registries: { type: "array", items: { type: "string" } } },
        },
      },
      permissions: { read: ["v1/ConfigMap"], codegen: true },
      validate({ object, parameters, deny }) {
        for (const { container, field } of containers(object))
          if (!parameters.registries.some((r) => image(container.image).registry === r))
            deny(`image ${container.image ?? ""} is not from an allowed registry`, { field: `${field}.image` });
      },
    });
    expectTypeOf(made).toExtend<Policy<Pod, Parameters>>();
  });

  it("gives validate an object that is readonly all through", () => {
    policy<Pod, Parameters>({
      validate(context) {
        expectTypeOf(context.object).toEqualTypeOf<DeepReadonly<Pod>>();
        expectTypeOf(context.oldObject).toEqualTypeOf<DeepReadonly<Pod> | null>();
        expectTypeOf(context.parameters.registries).toEqualTypeOf<readonly string[]>();
        expectTypeOf(context.operation).toEqualTypeOf<Operation>();
        expectTypeOf(context.now).toEqualTypeOf<Date>();
        expectTypeOf(context.user.groups).toEqualTypeOf<readonly string[] | undefined>();
        expectTypeOf(context.namespace?.labels["team"]).toEqualTypeOf<string | undefined>();
        expectTypeOf(context.tenant.kind).toEqualTypeOf<"vcluster" | "namespaces" | "none">();
        expectTypeOf(context.template?.path).toEqualTypeOf<string | undefined>();
        expectTypeOf(context.object.spec?.containers).toEqualTypeOf<readonly DeepReadonly<Container>[] | undefined>();
        // @ts-expect-error: it cannot be edited
        context.object.spec = { containers: [] };
      },
    });
  });

  it("gives mutate a draft that can be edited", () => {
    policy<Pod>({
      mutate({ object, oldObject, deny }) {
        expectTypeOf(object).toEqualTypeOf<Pod>();
        expectTypeOf(oldObject).toEqualTypeOf<DeepReadonly<Pod> | null>();
        expectTypeOf(deny).toBeFunction();
        object.spec?.containers.push({ name: "a" });
      },
    });
  });

  it("has types for what comes from the cluster and the world", () => {
    policy({
      async validate({ object, get, list, create, patch, remove, fetch, env, readFile, log }) {
        expectTypeOf(object).toEqualTypeOf<DeepReadonly<KubernetesObject>>();
        expectTypeOf(get<ConfigMap>("v1/ConfigMap", { namespace: "a", name: "b" })).toEqualTypeOf<
          DeepReadonly<ConfigMap> | undefined
        >();
        expectTypeOf(list<ConfigMap>("v1/ConfigMap")).toEqualTypeOf<readonly DeepReadonly<ConfigMap>[]>();
        expectTypeOf(list).parameter(1).toEqualTypeOf<ListOptions | undefined>();
        expectTypeOf(await create<ConfigMap>({ metadata: { name: "a" } })).toEqualTypeOf<ConfigMap>();
        expectTypeOf(await patch<ConfigMap>("v1/ConfigMap", { name: "a", patch: [] })).toEqualTypeOf<ConfigMap>();
        expectTypeOf(await (await fetch("https://example.com")).json()).toBeUnknown();
        expectTypeOf(env("HOME")).toEqualTypeOf<string | undefined>();
        expectTypeOf(readFile("/etc/hostname")).toBeString();
        await remove(object);
        log("done", 1);
      },
    });
  });

  it("refuses what makes no sense", () => {
    // @ts-expect-error: reconcile stands alone
    policy({ validate: () => undefined, reconcile: () => undefined });
    // @ts-expect-error: there is no such field
    policy({ validate: () => undefined, matches: {} });
    // @ts-expect-error: there is no such operation
    policy({ validate: () => undefined, match: { operations: ["PATCH"] } });
    // @ts-expect-error: a handler returns nothing
    policy({ validate: () => 1 });
  });

  it("lets policies of different kinds stand in one array", () => {
    const all = [policy<Pod>({ validate: () => undefined }), policy<Deployment>({ mutate: () => undefined })];
    expectTypeOf(all).toBeArray();
  });
});

declare const pod: Pod;
declare const frozen: DeepReadonly<Pod>;
declare const deployment: Deployment;

describe("helpers", () => {
  it("take pods, frozen or not, and nothing else", () => {
    expectTypeOf(containers).toBeCallableWith(pod);
    expectTypeOf(containers).toBeCallableWith(frozen);
    expectTypeOf(containers(pod)[0]?.container).toEqualTypeOf<DeepReadonly<Container> | undefined>();
    expectTypeOf(podSecurity("restricted", "v1.36")).returns.toEqualTypeOf<Finding[]>();
    // @ts-expect-error: a Deployment is not a Pod
    containers(deployment);
    // @ts-expect-error: there is no such level
    podSecurity("strict");
  });
});

describe("Kubernetes types", () => {
  it("say which kind they are", () => {
    expectTypeOf<Deployment["apiVersion"]>().toEqualTypeOf<"apps/v1" | undefined>();
    expectTypeOf<Deployment["kind"]>().toEqualTypeOf<"Deployment" | undefined>();
    expectTypeOf<NonNullable<Pod["spec"]>>().toEqualTypeOf<PodSpec>();
    expectTypeOf<PodSpec["containers"]>().toEqualTypeOf<Container[]>();
  });
});
