/** Helpers that the policies of this package share, and that others may import. */

export type Labels = Readonly<Record<string, string>> | undefined;

/** Those of `names` that are no labels here. */
export function missing(labels: Labels, names: readonly string[]): string[] {
  return names.filter((name) => (labels?.[name] ?? "") === "");
}

/** Those of `names` whose value has capitals. */
export function wrong(labels: Labels, names: readonly string[]): string[] {
  return names.filter((name) => {
    const value = labels?.[name] ?? "";
    return value !== value.toLowerCase();
  });
}
