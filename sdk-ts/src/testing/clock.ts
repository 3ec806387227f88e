/** Time and chance for the length of a run, as the engine has them: `now` stands still, `Math.random` is seeded. */

import type { EngineClock } from "./runtime.ts";

export interface Clock extends EngineClock {
  /** Gives back the clock that was there before. */
  readonly end: () => void;
}

type Part = string | number | Date;

/** Made anew for each case. */
export function clock(): Clock {
  const NativeDate = globalThis.Date;
  const { random } = Math;
  const format = descriptorOf("format");
  const formatToParts = descriptorOf("formatToParts");
  return {
    Date: NativeDate,
    begin(millis, uid, policy) {
      globalThis.Date = fixed(NativeDate, millis);
      Math.random = seeded(`${uid}\n${policy}`);
      // Without a date they would ask the system's clock.
      redefine("format", {
        ...format,
        get(this: Intl.DateTimeFormat) {
          const own = format.get?.call(this) as (date?: Date | number) => string;
          return (date?: Date | number) => own(date ?? millis);
        },
      });
      redefine("formatToParts", {
        ...formatToParts,
        value(this: Intl.DateTimeFormat, date?: Date | number) {
          return (formatToParts.value as Intl.DateTimeFormat["formatToParts"]).call(this, date ?? millis);
        },
      });
    },
    end() {
      globalThis.Date = NativeDate;
      Math.random = random;
      redefine("format", format);
      redefine("formatToParts", formatToParts);
    },
  };
}

function descriptorOf(name: "format" | "formatToParts"): PropertyDescriptor {
  return Object.getOwnPropertyDescriptor(Intl.DateTimeFormat.prototype, name) ?? {};
}

function redefine(name: string, descriptor: PropertyDescriptor): void {
  Object.defineProperty(Intl.DateTimeFormat.prototype, name, descriptor);
}

function fixed(Native: DateConstructor, millis: number): DateConstructor {
  return new Proxy(Native, {
    construct: (target, parts: Part[], newTarget) =>
      Reflect.construct(
        target,
        parts.length === 0 ? [millis] : parts,
        newTarget === constructorOf() ? target : newTarget,
      ) as Date,
    apply: () => new Native(millis).toString(),
    get: (target, name, receiver) => (name === "now" ? () => millis : (Reflect.get(target, name, receiver) as unknown)),
  });
}

function constructorOf(): DateConstructor {
  return globalThis.Date;
}

/** sfc32, seeded with four words out of the text (FNV-1a, a different basis for each). */
function seeded(text: string): () => number {
  const words = [0x811c9dc5, 0x9e3779b9, 0x85ebca6b, 0xc2b2ae35] as const;
  let [a, b, c, counter] = words.map((basis, word) => {
    let hash: number = basis;
    for (let at = 0; at < text.length; at += 1)
      hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193 + word * 0x1f35);
    return hash;
  }) as [number, number, number, number];
  const next = () => {
    const sum = (a + b + counter) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + sum) | 0;
    counter = (counter + 1) | 0;
    return sum >>> 0;
  };
  for (let round = 0; round < 12; round += 1) next();
  return () => (Math.floor(next() / 32) * 67108864 + Math.floor(next() / 64)) / 9007199254740992;
}
