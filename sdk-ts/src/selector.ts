/** Label selectors: `metav1.LabelSelector` with the API server's own rules. */

import type { DeepReadonly, LabelSelector, LabelSelectorRequirement } from "./context.ts";

export interface Selector {
  /** Whether a set of labels is selected; no labels at all count as an empty set. */
  matches(labels: Readonly<Record<string, string>> | null | undefined): boolean;
}

type Labels = Readonly<Record<string, string>>;
type Requirement = (labels: Labels) => boolean;

const NO_LABELS: Labels = Object.freeze({});

/**
 * Makes a selector ready to match. An empty one selects everything, and none at all (`undefined`, `null`) nothing:
 * that is what Kubernetes makes of a field that is `{}` and of one that is not there.
 *
 * @throws RangeError when the selector is one that the API server would refuse.
 */
export function selector(definition: DeepReadonly<LabelSelector> | null | undefined): Selector {
  if (definition === null || definition === undefined) return Object.freeze({ matches: () => false });
  if (typeof definition !== "object" || Array.isArray(definition)) {
    throw new TypeError("selector: expects an object with matchLabels, matchExpressions or neither");
  }
  const equalities = Object.entries(definition.matchLabels ?? {}).map(([key, value]) =>
    requirement({ key, operator: "In", values: [value] }, `matchLabels[${JSON.stringify(key)}]`),
  );
  const expressions = (definition.matchExpressions ?? []).map((expression, index) =>
    requirement(expression, `matchExpressions[${String(index)}]`),
  );
  const requirements = Object.freeze([...equalities, ...expressions]);
  return Object.freeze({
    matches: (labels: Labels | null | undefined) => requirements.every((holds) => holds(labels ?? NO_LABELS)),
  });
}

function requirement(expression: DeepReadonly<LabelSelectorRequirement>, field: string): Requirement {
  const { key, operator } = expression;
  const values: readonly string[] = Object.freeze([...(expression.values ?? [])]);
  if (!isLabelKey(key)) throw invalid(`${field}: ${JSON.stringify(key)} is not a label key`);
  const wrong = values.find((value) => !isLabelValue(value));
  if (wrong !== undefined) throw invalid(`${field}: ${JSON.stringify(wrong)} is not a label value`);
  switch (operator) {
    case "In":
      if (values.length === 0) throw invalid(`${field}: values must not be empty with In`);
      return (labels) => Object.hasOwn(labels, key) && values.includes(labels[key] ?? "");
    case "NotIn":
      if (values.length === 0) throw invalid(`${field}: values must not be empty with NotIn`);
      return (labels) => !Object.hasOwn(labels, key) || !values.includes(labels[key] ?? "");
    case "Exists":
      if (values.length > 0) throw invalid(`${field}: values must be empty with Exists`);
      return (labels) => Object.hasOwn(labels, key);
    case "DoesNotExist":
      if (values.length > 0) throw invalid(`${field}: values must be empty with DoesNotExist`);
      return (labels) => !Object.hasOwn(labels, key);
    default:
      throw invalid(`${field}: operator ${JSON.stringify(operator)} must be In, NotIn, Exists or DoesNotExist`);
  }
}

/** `[prefix/]name`: a DNS subdomain of at most 253 and a name of at most 63 characters. */
function isLabelKey(key: unknown): key is string {
  if (typeof key !== "string") return false;
  const slash = key.indexOf("/");
  const name = key.slice(slash + 1);
  if (name === "" || !isLabelValue(name)) return false;
  if (slash < 0) return true;
  const prefix = key.slice(0, slash);
  return prefix.length <= 253 && /^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*$/.test(prefix);
}

function isLabelValue(value: unknown): boolean {
  return (
    typeof value === "string" && value.length <= 63 && /^(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?)?$/.test(value)
  );
}

function invalid(reason: string): RangeError {
  return new RangeError(`selector: ${reason}`);
}
