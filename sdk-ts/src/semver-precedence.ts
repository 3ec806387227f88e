/** Which of two versions comes first: Semantic Versioning 2.0.0, clause 11. */

export interface Release {
  readonly major: number;
  readonly minor: number;
  readonly patch: number;
  readonly prerelease: readonly (string | number)[];
}

/** -1, 0 or 1, as `a` is older than, equal to or newer than `b`. */
export function precedence(a: Release, b: Release): -1 | 0 | 1 {
  return (
    order(a.major, b.major) ||
    order(a.minor, b.minor) ||
    order(a.patch, b.patch) ||
    prereleaseOrder(a.prerelease, b.prerelease)
  );
}

/** The identifiers of `rc.1`, or `undefined` where they are malformed. */
export function prereleaseOf(text: string | undefined): (string | number)[] | undefined {
  if (text === undefined) return [];
  const identifiers = text.split(".");
  if (!identifiers.every((part) => /^(?:0|[1-9][0-9]*|[0-9]*[A-Za-z-][0-9A-Za-z-]*)$/.test(part))) return undefined;
  return identifiers.map((part) => (/^[0-9]+$/.test(part) && Number.isSafeInteger(Number(part)) ? Number(part) : part));
}

function order(a: number | string, b: number | string): -1 | 0 | 1 {
  return a < b ? -1 : a > b ? 1 : 0;
}

function prereleaseOrder(a: Release["prerelease"], b: Release["prerelease"]): -1 | 0 | 1 {
  // A release comes after all of its prereleases.
  if (a.length === 0 || b.length === 0) return order(Number(a.length === 0), Number(b.length === 0));
  for (let at = 0; ; at += 1) {
    const one = a[at];
    const other = b[at];
    if (one === undefined || other === undefined) return order(a.length, b.length);
    // Numbers come before words.
    const difference = order(typeof one, typeof other) || order(one, other);
    if (difference !== 0) return difference;
  }
}
