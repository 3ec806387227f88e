/** The little of ESLint and ESTree that the rules here look at. */

export interface Node {
  readonly type: string;
  readonly parent?: Node | null;
  readonly [field: string]: unknown;
}

interface Variable {
  readonly scope: { readonly type: string };
}

interface Scope {
  readonly type: string;
  readonly set: ReadonlyMap<string, Variable>;
  readonly upper: Scope | null;
}

export interface RuleContext {
  readonly sourceCode: { getScope(node: Node): Scope };
  report(problem: { node: Node; messageId: string; data?: Record<string, string> }): void;
}

export interface Rule {
  readonly meta: {
    readonly type: "problem";
    readonly docs: { readonly description: string };
    readonly schema: readonly [];
    readonly messages: Readonly<Record<string, string>>;
  };
  create(context: RuleContext): Record<string, (node: Node) => void>;
}

export function rule(description: string, messages: Readonly<Record<string, string>>, create: Rule["create"]): Rule {
  return Object.freeze({
    meta: { type: "problem" as const, docs: { description }, schema: [] as const, messages },
    create,
  });
}

/** The function that a node is in; none at the level of the module. */
export function functionAround(node: Node): Node | undefined {
  let at = node.parent;
  while (at !== null && at !== undefined) {
    if (/^(?:FunctionDeclaration|FunctionExpression|ArrowFunctionExpression)$/.test(at.type)) return at;
    at = at.parent;
  }
  return undefined;
}

export function child(node: Node, field: string): Node | undefined {
  const found = node[field];
  return typeof found === "object" && found !== null ? (found as Node) : undefined;
}

/** The name of an identifier, or of what a chain such as `a.b[c]` begins with. */
export function rootOf(node: Node | undefined): Node | undefined {
  let at = node;
  while (
    at !== undefined &&
    /^(?:MemberExpression|TSNonNullExpression|TSAsExpression|ChainExpression)$/.test(at.type)
  ) {
    at = child(at, "object") ?? child(at, "expression");
  }
  return at?.type === "Identifier" ? at : undefined;
}

/** Whether an identifier is a variable of the module itself. */
export function isOfModule(context: RuleContext, identifier: Node): boolean {
  const name = String(identifier["name"]);
  let scope: Scope | null = context.sourceCode.getScope(identifier);
  while (scope !== null) {
    if (scope.set.has(name)) return scope.type === "module" || scope.type === "global";
    scope = scope.upper;
  }
  return false;
}
