/** Versions by Semantic Versioning 2.0.0. */

import { precedence, prereleaseOf, type Release } from "./semver-precedence.ts";
import { includes, parseRange } from "./semver-range.ts";

/** As npm: longer texts are no versions. */
const MAX_LENGTH = 256;

export type VersionLike = Version | string;

/** A version such as `1.36.0-rc.1+build.5`. */
export class Version implements Release {
  // One realm serves many policies: none may change what another one calls.
  static {
    Object.freeze(this.prototype);
    Object.freeze(this);
  }

  readonly major: number;
  readonly minor: number;
  readonly patch: number;
  readonly prerelease: readonly (string | number)[];
  readonly build: readonly string[];

  /** Use {@link semver}. */
  constructor({ major, minor, patch, prerelease }: Release, build: readonly string[]) {
    this.major = major;
    this.minor = minor;
    this.patch = patch;
    this.prerelease = Object.freeze([...prerelease]);
    this.build = Object.freeze([...build]);
    Object.freeze(this);
  }

  /** -1, 0 or 1, as this one is older than, equal to or newer than the other; build metadata does not count. */
  compare(other: VersionLike): -1 | 0 | 1 {
    return precedence(this, semver(other));
  }

  /**
   * Whether this version is in a range: `^1.2`, `~1.36`, `1.x`, `>=1.30 <1.37`, `1.2 - 2.3`, `1 || 2`. As with npm, a
   * prerelease is only in a range that names a prerelease of the same major.minor.patch.
   *
   * @throws RangeError when the text is not a range.
   */
  satisfies(range: string): boolean {
    return includes(parseRange(range), this);
  }

  /** The canonical form, build metadata included. */
  toString(): string {
    const prerelease = this.prerelease.length === 0 ? "" : `-${this.prerelease.join(".")}`;
    const build = this.build.length === 0 ? "" : `+${this.build.join(".")}`;
    return `${String(this.major)}.${String(this.minor)}.${String(this.patch)}${prerelease}${build}`;
  }

  toJSON(): string {
    return this.toString();
  }
}

/**
 * Reads a version; a leading `v` is passed over, as Kubernetes writes one.
 *
 * @throws TypeError when there is none, RangeError when the text is not one.
 */
export function semver(text: VersionLike | undefined): Version {
  if (text instanceof Version) return text;
  if (typeof text !== "string") throw new TypeError("semver: there is no version");
  const found =
    text.length > MAX_LENGTH
      ? null
      : /^v?(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)(?:-([0-9A-Za-z.-]+))?(?:\+([0-9A-Za-z.-]+))?$/.exec(
          text.trim(),
        );
  const [major = NaN, minor = NaN, patch = NaN] = found?.slice(1, 4).map(Number) ?? [];
  const prerelease = prereleaseOf(found?.[4]);
  const build = found?.[5]?.split(".") ?? [];
  if (![major, minor, patch].every(Number.isSafeInteger) || prerelease === undefined || build.includes("")) {
    throw new RangeError(`semver: ${JSON.stringify(text.slice(0, 64))} is not a version such as "1.36.0"`);
  }
  return new Version({ major, minor, patch, prerelease }, build);
}
