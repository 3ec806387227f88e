/** Rules for what runs in the engine: no state between requests, nothing that is forgotten half-way. */

import { child, functionAround, isOfModule, rootOf, rule, type Node, type Rule, type RuleContext } from "./estree.ts";

/** Methods that change what they are called on. */
const CHANGES: readonly string[] = Object.freeze([
  "add",
  "clear",
  "copyWithin",
  "delete",
  "fill",
  "pop",
  "push",
  "reverse",
  "set",
  "shift",
  "sort",
  "splice",
  "unshift",
]);

/** Functions of the context that give a promise. */
const PROMISES: readonly string[] = Object.freeze(["create", "update", "patch", "remove", "fetch"]);

const noModuleState: Rule = rule(
  "A module keeps nothing from one request to the next",
  {
    variable:
      "A module has no state: a `{{kind}}` here makes the policy run in a realm of its own each time, which is slower.",
    changed:
      "`{{name}}` belongs to the module: changed by a request, it makes the policy run in a realm of its own each time.",
  },
  (context) => ({
    VariableDeclaration(node) {
      const isConst = node["kind"] === "const" || node["declare"] === true;
      const isLoop = (node.parent?.type ?? "").startsWith("For");
      if (!isConst && !isLoop && functionAround(node) === undefined && isStatementOfModule(node)) {
        context.report({ node, messageId: "variable", data: { kind: String(node["kind"]) } });
      }
    },
    CallExpression(node) {
      const callee = child(node, "callee");
      const method = callee?.type === "MemberExpression" ? child(callee, "property")?.["name"] : undefined;
      if (callee !== undefined && CHANGES.includes(String(method)))
        reportChange(context, node, child(callee, "object"));
    },
    AssignmentExpression(node) {
      const left = child(node, "left");
      if (left?.type === "MemberExpression") reportChange(context, node, left);
    },
    UpdateExpression(node) {
      const argument = child(node, "argument");
      if (argument?.type === "MemberExpression") reportChange(context, node, argument);
    },
    "UnaryExpression[operator='delete']"(node: Node) {
      reportChange(context, node, child(node, "argument"));
    },
  }),
);

function isStatementOfModule(node: Node): boolean {
  const { parent } = node;
  return parent?.type === "Program" || (parent?.type === "ExportNamedDeclaration" && parent.parent?.type === "Program");
}

/** What the module does to its own constants while it is loaded is its own business. */
function reportChange(context: RuleContext, node: Node, changed: Node | undefined): void {
  const root = rootOf(changed);
  if (root === undefined || functionAround(node) === undefined || !isOfModule(context, root)) return;
  context.report({ node, messageId: "changed", data: { name: String(root["name"]) } });
}

const noStatefulRegExp: Rule = rule(
  "A regular expression with `g` or `y` remembers where it stopped",
  { flags: "With `{{flags}}` it remembers where it stopped: make it in the handler, or leave the flag out." },
  (context) => ({
    Literal(node) {
      const flags = (node["regex"] as { flags: string } | undefined)?.flags ?? "";
      if (/[gy]/.test(flags) && functionAround(node) === undefined) {
        context.report({ node, messageId: "flags", data: { flags } });
      }
    },
  }),
);

const noFloatingCall: Rule = rule(
  "What is written or fetched is awaited",
  { floating: "`{{name}}` gives a promise: `await` it, or the answer goes out before it is done." },
  (context) => ({
    ExpressionStatement(node) {
      const call = child(node, "expression");
      if (call?.type !== "CallExpression") return;
      const callee = child(call, "callee");
      const isMethod = callee?.type === "MemberExpression";
      const called = isMethod ? child(callee, "property") : callee;
      const name = String(called?.["name"]);
      if (!PROMISES.includes(name) || functionAround(node) === undefined || callee === undefined) return;
      // `map.update()` of something else is none of ours: only a handler's parameter is.
      const root = rootOf(isMethod ? child(callee, "object") : callee);
      if (root !== undefined && isParameter(root, String(root["name"]))) {
        context.report({ node, messageId: "floating", data: { name } });
      }
    },
  }),
);

/** Whether a name is given to one of the functions around it, as itself or taken out of an object. */
function isParameter(node: Node, name: string): boolean {
  let around = functionAround(node);
  while (around !== undefined) {
    const parameters = around["params"] as Node[];
    if (parameters.some((parameter) => names(parameter).includes(name))) return true;
    around = functionAround(around);
  }
  return false;
}

function names(pattern: Node): string[] {
  if (pattern.type === "Identifier") return [String(pattern["name"])];
  if (pattern.type !== "ObjectPattern") return [];
  return (pattern["properties"] as Node[]).flatMap((property) => {
    const value = child(property, "value");
    return value?.type === "Identifier" ? [String(value["name"])] : [];
  });
}

const noTopLevelAwait: Rule = rule(
  "A module is loaded at once",
  { await: "The engine has no top-level `await`: do it in the handler." },
  (context) => {
    const check = (node: Node) => {
      if (functionAround(node) === undefined) context.report({ node, messageId: "await" });
    };
    return { AwaitExpression: check, "ForOfStatement[await=true]": check };
  },
);

export const RULES: Readonly<Record<string, Rule>> = Object.freeze({
  "no-module-state": noModuleState,
  "no-stateful-regexp": noStatefulRegExp,
  "no-floating-call": noFloatingCall,
  "no-top-level-await": noTopLevelAwait,
});
