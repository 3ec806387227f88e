/** Values as JSON has them. */

/** A copy that shares nothing. */
export function copy<T>(value: T): T {
  return value === undefined ? value : (JSON.parse(JSON.stringify(value)) as T);
}

/** Whether two values are the same JSON. */
export function deepEqual(one: unknown, other: unknown): boolean {
  if (Object.is(one, other)) return true;
  if (typeof one !== "object" || typeof other !== "object" || one === null || other === null) return one === other;
  if (Array.isArray(one) !== Array.isArray(other)) return false;
  const names = Object.keys(one);
  return (
    names.length === Object.keys(other).length &&
    names.every((name) => Object.hasOwn(other, name) && deepEqual(Reflect.get(one, name), Reflect.get(other, name)))
  );
}

/** A value as a message shows it. */
export function shown(value: unknown): string {
  // JSON has nothing for `undefined`, whatever its type says.
  return value === undefined ? "nothing" : JSON.stringify(value);
}
