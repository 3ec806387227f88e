/** Selectors as text, `a=b,c!=d,e in (x,y),!f,g,h>1`, with the grammar of `labels.Parse` in `k8s.io/apimachinery`. */

import type { LabelSelector } from "../context.ts";
import { selector, type Selector } from "../selector.ts";

type Labels = Readonly<Record<string, string>>;
type Test = (labels: Labels) => boolean;

/** Of a text, or of `metav1.LabelSelector`. */
export function selectorOf(given: LabelSelector | string | undefined): Selector {
  if (given === undefined) return selector({});
  if (typeof given !== "string") return selector(given);
  const tests = parse(given);
  return { matches: (labels) => tests.every((holds) => holds(labels ?? {})) };
}

function parse(text: string): Test[] {
  const tokens = text.match(/==|!=|=|!|>|<|\(|\)|,|[^\s=!<>(),]+/g) ?? [];
  const next = () => tokens.shift();
  const tests: Test[] = [];
  while (tokens.length > 0) {
    tests.push(requirement(tokens, next));
    const after = next();
    if (after === undefined) break;
    if (after !== "," || tokens.length === 0) throw invalid("`,` or the end", after);
  }
  return tests;
}

function requirement(tokens: readonly string[], next: () => string | undefined): Test {
  const isNegated = tokens[0] === "!";
  if (isNegated) next();
  const key = word(next(), "a label key");
  const isEnd = tokens[0] === undefined || tokens[0] === ",";
  const expression = (operator: "In" | "NotIn" | "Exists" | "DoesNotExist", values: string[] = []): Test => {
    const made = selector({ matchExpressions: [{ key, operator, ...(values.length > 0 ? { values } : {}) }] });
    return (labels) => made.matches(labels);
  };
  if (isNegated && !isEnd) throw invalid("`,` or the end", tokens[0]);
  if (isEnd) return expression(isNegated ? "DoesNotExist" : "Exists");
  const operator = next();
  switch (operator) {
    case "=":
    case "==":
      return expression("In", [value(tokens, next)]);
    case "!=":
      return expression("NotIn", [value(tokens, next)]);
    case "in":
      return expression("In", list(next));
    case "notin":
      return expression("NotIn", list(next));
    case ">":
    case "<": {
      const bound = word(next(), "a number");
      if (!/^[+-]?[0-9]+$/.test(bound)) throw invalid("a number", bound);
      return (labels) => {
        const found = Object.hasOwn(labels, key) ? labels[key] : undefined;
        if (found === undefined || !/^[+-]?[0-9]+$/.test(found)) return false;
        return operator === ">" ? BigInt(found) > BigInt(bound) : BigInt(found) < BigInt(bound);
      };
    }
    default:
      throw invalid("an operator", operator);
  }
}

/** A value may be missing: `a=` asks for an empty one. */
function value(tokens: readonly string[], next: () => string | undefined): string {
  return tokens[0] === undefined || tokens[0] === "," ? "" : word(next(), "a value");
}

function list(next: () => string | undefined): string[] {
  if (next() !== "(") throw invalid("`(`", undefined);
  const values: string[] = [];
  let isOpen = true;
  let wasWord = false;
  while (isOpen) {
    const token = next();
    if (token === undefined) throw invalid("`)`", token);
    isOpen = token !== ")";
    if (token === ")" || token === ",") {
      if (!wasWord) values.push("");
      wasWord = false;
    } else {
      if (wasWord) throw invalid("`,` or `)`", token);
      values.push(word(token, "a value"));
      wasWord = true;
    }
  }
  return values;
}

function word(token: string | undefined, what: string): string {
  if (token === undefined || /^[=!<>(),]/.test(token)) throw invalid(what, token);
  return token;
}

function invalid(due: string, found: string | undefined): RangeError {
  return new RangeError(`label selector: expected ${due}, found ${found === undefined ? "the end" : `\`${found}\``}`);
}
