/** Whether a policy wants to see a request: the engine's matching, all of it but CEL. */

import type { KubernetesObject, LabelSelector, Request } from "../context.ts";
import type { Match, PolicyMetadata } from "../policy.ts";
import { selector } from "../selector.ts";
import type { World } from "./world.ts";

type Labels = Readonly<Record<string, string>> | undefined;
type Rule = { readonly [Field in keyof Match]: Match[Field] | undefined };

interface Target {
  readonly group: string;
  readonly version: string;
  readonly resource: string;
  readonly subResource: string;
}

const NAME_LABEL = "kubernetes.io/metadata.name";
const PODS: Target = Object.freeze({ group: "", version: "v1", resource: "pods", subResource: "" });

/** Group and resource of the workloads whose pod template a policy for pods can judge. */
const WORKLOADS: readonly string[] = Object.freeze([
  "apps/deployments",
  "apps/replicasets",
  "apps/statefulsets",
  "apps/daemonsets",
  "batch/jobs",
  "batch/cronjobs",
  "/replicationcontrollers",
]);

/** Matching that could not be decided: an error of the policy, as in the engine. */
export class MatchingError extends Error {
  override readonly name = "MatchingError";
}

export function matches(
  policy: PolicyMetadata,
  request: Request,
  world: World,
  conditions: Readonly<Record<string, boolean>> | undefined,
): boolean {
  const rule: Rule = policy.match ?? {};
  if (!ruleMatches(rule, request)) return false;
  if (rule.excludeUsers?.some((pattern) => excludes(pattern, request)) === true) return false;
  if (!isEmpty(rule.namespaceSelector) && !selectsNamespace(rule.namespaceSelector, request, world)) return false;
  if (!isEmpty(rule.objectSelector) && !selectsObject(rule.objectSelector, request)) return false;
  return (rule.matchConditions ?? []).every(({ name }) => {
    const decided = conditions?.[name];
    if (decided !== undefined) return decided;
    throw new MatchingError(
      `there is no CEL here: say in \`conditions\` what ${JSON.stringify(name)} comes to, or use \`bylaw test\``,
    );
  });
}

function ruleMatches(rule: Rule, request: Request): boolean {
  const { resource } = request;
  const isNamespace = resource.group === "" && resource.version === "v1" && resource.resource === "namespaces";
  const isNamespaced = !isNamespace && (request.namespace ?? "") !== "";
  const scope = rule.scope ?? "*";
  if (scope !== "*" && (scope === "Namespaced") !== isNamespaced) return false;
  if (!includes(rule.operations, request.operation)) return false;
  if (!targetMatches(rule, { ...resource, subResource: request.subResource ?? "" })) return false;
  if (rule.matchPolicy !== "Exact" || request.requestResource === undefined) return true;
  return targetMatches(rule, { ...request.requestResource, subResource: request.requestSubResource ?? "" });
}

function targetMatches(rule: Rule, target: Target): boolean {
  const takesWorkloads = rule.workloads === true && namesMatch(rule, PODS);
  const isWorkload =
    target.subResource === "" && target.version === "v1" && WORKLOADS.includes(`${target.group}/${target.resource}`);
  return (takesWorkloads && isWorkload) || namesMatch(rule, target);
}

function namesMatch(rule: Rule, target: Target): boolean {
  if (!includes(rule.apiGroups, target.group) || !includes(rule.apiVersions, target.version)) return false;
  return (rule.resources ?? []).some((pattern) => {
    const [resource = "", subResource = ""] = pattern.split("/");
    // `pods/*` matches `pods` itself too, as it does in the API server.
    return ["*", target.resource].includes(resource) && ["*", target.subResource].includes(subResource);
  });
}

/** Empty, absent and `*` mean all. */
function includes(words: readonly string[] | undefined, word: string): boolean {
  return words === undefined || words.length === 0 || words.includes("*") || words.includes(word);
}

function excludes(pattern: string, { userInfo }: Request): boolean {
  const name = userInfo.username ?? "";
  if (pattern.startsWith("group:")) return userInfo.groups?.includes(pattern.slice("group:".length)) === true;
  return pattern.endsWith("*") ? name.startsWith(pattern.slice(0, -1)) : name === pattern;
}

function isEmpty(of: LabelSelector | undefined): of is undefined {
  return Object.keys(of?.matchLabels ?? {}).length === 0 && (of?.matchExpressions ?? []).length === 0;
}

/** By the labels of the object or of the one before, so that taking a label off does not escape a policy. */
function selectsObject(of: LabelSelector, { object, oldObject }: Request): boolean {
  const prepared = selector(of);
  return [object, oldObject].some((one) => one?.metadata !== undefined && prepared.matches(labelsOf(one)));
}

/** A namespaced object by its namespace's labels, a Namespace by its own, anything else that is cluster-scoped always. */
function selectsNamespace(of: LabelSelector, request: Request, world: World): boolean {
  const isNamespace = request.resource.resource === "namespaces";
  if ((request.namespace ?? "") === "" && !isNamespace) return true;
  const prepared = selector(of);
  const name = namespaceOf(request);
  const named = (labels: Labels) => prepared.matches(name === "" ? (labels ?? {}) : { [NAME_LABEL]: name, ...labels });
  if (isNamespace) {
    const isWritten = (request.subResource ?? "") === "" && ["CREATE", "UPDATE"].includes(request.operation);
    const own = isWritten ? request.object : request.oldObject;
    if (own?.metadata !== undefined) return named(labelsOf(own));
  }
  return named(world.labelsOf(name));
}

function labelsOf(object: KubernetesObject): Labels {
  return object.metadata?.labels;
}

/** The request of a Namespace carries its name in both fields, but a hand-made one may leave one out. */
function namespaceOf(request: Request): string {
  return request.namespace === undefined || request.namespace === "" ? (request.name ?? "") : request.namespace;
}
