// Time and chance for module policies: both stand still for a run, so that a review judged again gives the same answer,
// in `bylaw review` as in the server, and nobody measures a neighbour with a clock. While a bundle is loaded it is 1970.
(function (native, forget) {
  "use strict";
  const { defineProperty, getOwnPropertyDescriptor } = Object;
  const { apply, construct } = Reflect;
  const { floor, imul } = Math;
  const code = Function.prototype.call.bind(String.prototype.charCodeAt);
  const NativeDate = Date;

  let now = 0;
  let uid = "";
  let policy = "";
  // Made when a run first asks: most never do.
  let generator;

  // Four words out of the texts that name the run (FNV-1a, a different basis for each).
  const seeded = () => {
    const words = [0x811c9dc5, 0x9e3779b9, 0x85ebca6b, 0xc2b2ae35];
    const text = `${uid}\n${policy}`;
    for (let at = 0; at < text.length; at += 1) {
      for (let word = 0; word < 4; word += 1) words[word] = imul(words[word] ^ code(text, at), 0x01000193 + word * 0x1f35);
    }
    return words;
  };
  // sfc32.
  const next = () => {
    const [a, b, c, counter] = generator;
    const sum = (a + b + counter) | 0;
    generator[0] = b ^ (b >>> 9);
    generator[1] = (c + (c << 3)) | 0;
    generator[2] = (((c << 21) | (c >>> 11)) + sum) | 0;
    generator[3] = (counter + 1) | 0;
    return sum >>> 0;
  };
  const random = { random() {
    if (generator === undefined) {
      generator = seeded();
      for (let round = 0; round < 12; round += 1) next();
    }
    return (floor(next() / 32) * 67108864 + floor(next() / 64)) / 9007199254740992;
  } }.random;
  defineProperty(Math, "random", { value: random });

  const Fixed = function Date(...parts) {
    if (new.target === undefined) return `${new NativeDate(now)}`;
    return construct(NativeDate, parts.length === 0 ? [now] : parts, new.target);
  };
  for (const name of ["length", "parse", "UTC"]) defineProperty(Fixed, name, getOwnPropertyDescriptor(NativeDate, name));
  defineProperty(Fixed, "now", { value: { now() { return now; } }.now, writable: true, enumerable: false, configurable: true });
  defineProperty(Fixed, "prototype", { value: NativeDate.prototype, writable: false });
  defineProperty(NativeDate.prototype, "constructor", { value: Fixed });
  defineProperty(globalThis, "Date", { value: Fixed });

  // Without a date they would ask V8's own clock.
  const given = (date) => (date === undefined ? now : date);
  const { prototype } = Intl.DateTimeFormat;
  const { get: formatOf } = getOwnPropertyDescriptor(prototype, "format");
  defineProperty(prototype, "format", { get: { get() {
    const format = apply(formatOf, this, []);
    return (date) => format(given(date));
  } }.get });
  const { formatToParts: partsOf } = prototype;
  defineProperty(prototype, "formatToParts", { value: { formatToParts(date) {
    return apply(partsOf, this, [given(date)]);
  } }.formatToParts });

  const turn = (millis, review, name, isRun) => {
    now = millis;
    uid = review;
    policy = name;
    generator = undefined;
    forget(isRun);
  };
  return {
    Date: NativeDate,
    begin(millis, review, name) { turn(millis, review, name, true); },
    load() { turn(0, "", "", false); },
  };
})
