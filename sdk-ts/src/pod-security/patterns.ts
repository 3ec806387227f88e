/** Patterns of exemptions: texts in which `*` stands for any characters, and image references. */

import { image, split } from "../image.ts";

export type Pattern = (text: string) => boolean;

/** `*` stands for any characters, also for none. */
export function glob(pattern: string): Pattern {
  return pattern.includes("*") ? (text) => matches(pattern, text) : (text) => text === pattern;
}

/** Time is at most the product of both lengths, whoever chose them: only the last star is ever tried again. */
function matches(pattern: string, text: string): boolean {
  let [at, star, resume] = [0, -1, 0];
  let here = 0;
  while (here < text.length) {
    if (pattern[at] === "*") {
      [star, resume] = [at, here];
      at += 1;
    } else if (pattern[at] === text[here]) {
      at += 1;
      here += 1;
    } else if (star >= 0) {
      at = star + 1;
      resume += 1;
      here = resume;
    } else {
      return false;
    }
  }
  while (pattern[at] === "*") at += 1;
  return at === pattern.length;
}

/** `name`, `name:tag`, `name@digest` or both, where name and tag may have stars, but not in the registry. */
export function imagePattern(pattern: string, place: string): Pattern {
  const [beforeDigest = "", digest] = pattern.split("@", 2);
  const colon = beforeDigest.lastIndexOf(":");
  const hasTag = colon > beforeDigest.lastIndexOf("/");
  const tag = hasTag ? glob(beforeDigest.slice(colon + 1)) : undefined;
  const { registry, repository } = split(hasTag ? beforeDigest.slice(0, colon) : beforeDigest);
  // `registry.example.com*` would be `registry.example.com.evil.example` as well.
  if (registry.includes("*") || pattern.startsWith("*")) {
    throw new RangeError(`podSecurity: ${place}: ${JSON.stringify(pattern)} must name its registry without *`);
  }
  const isRepository = glob(repository);
  return (reference) => {
    const seen = parsed(reference);
    if (seen?.registry !== registry || !isRepository(seen.repository)) return false;
    if (digest !== undefined) return seen.digest === digest && (tag === undefined || tag(seen.tag ?? ""));
    if (tag === undefined) return true;
    // A runtime that is given a digest pulls it, whatever the tag beside it says.
    return seen.digest === undefined && tag(seen.tag ?? "latest");
  };
}

function parsed(reference: string): ReturnType<typeof image> | undefined {
  try {
    return image(reference);
  } catch {
    return undefined;
  }
}
