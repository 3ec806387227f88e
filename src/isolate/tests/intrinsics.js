// For each intrinsic that `ses` freezes (`list`): is it frozen here, with whatever its properties hold? And those that
// packages override (`overrides`): may they be assigned on what inherits from it? Gives the names that do not exist here,
// how many things were looked at, what is not frozen, and what cannot be assigned.
(list, overrides) => {
  "use strict";
  const { getOwnPropertyDescriptor, getPrototypeOf, isFrozen } = Object;
  async function* asyncGenerator() {}
  function* generator() {}
  const AsyncGenerator = getPrototypeOf(asyncGenerator);
  const Generator = getPrototypeOf(generator);
  const arrayIterator = getPrototypeOf([].values());
  // What only syntax and methods reach, and the names of `ses` for what it puts in the place of another.
  const hidden = {
    "%ArrayIteratorPrototype%": arrayIterator,
    "%AsyncFunctionPrototype%": getPrototypeOf(async () => {}),
    "%AsyncGenerator%": AsyncGenerator,
    "%AsyncGeneratorPrototype%": AsyncGenerator.prototype,
    "%AsyncIteratorPrototype%": getPrototypeOf(AsyncGenerator.prototype),
    "%FunctionPrototype%": Function.prototype,
    "%Generator%": Generator,
    "%GeneratorPrototype%": Generator.prototype,
    "%InertAsyncFunction%": (async () => {}).constructor,
    "%InertAsyncGeneratorFunction%": asyncGenerator.constructor,
    "%InertFunction%": (() => {}).constructor,
    "%InertGeneratorFunction%": generator.constructor,
    "%InitialDate%": Date,
    "%InitialError%": Error,
    "%InitialMath%": Math,
    "%InitialRegExp%": RegExp,
    "%IteratorHelperPrototype%": getPrototypeOf([].values().take(0)),
    "%IteratorPrototype%": getPrototypeOf(arrayIterator),
    "%MapIteratorPrototype%": getPrototypeOf(new Map().entries()),
    "%RegExpStringIteratorPrototype%": getPrototypeOf("".matchAll(/./g)),
    "%SetIteratorPrototype%": getPrototypeOf(new Set().values()),
    "%SharedDate%": new Date(0).constructor,
    "%SharedError%": new Error().constructor,
    "%SharedMath%": Math,
    "%SharedRegExp%": /x/.constructor,
    "%SharedSymbol%": Symbol,
    "%StringIteratorPrototype%": getPrototypeOf(""[Symbol.iterator]()),
    "%ThrowTypeError%": getOwnPropertyDescriptor((function () { return arguments; })(), "callee").get,
    "%TypedArray%": getPrototypeOf(Uint8Array),
    "%UniqueEval%": eval,
    "%UniqueFunction%": Function,
    "%WrapForValidIteratorPrototype%": getPrototypeOf(Iterator.from({ next() {} })),
  };
  const intrinsic = (name) => {
    if (Object.hasOwn(hidden, name)) return hidden[name];
    const owner = /^%(\w+)Prototype%$/.exec(name)?.[1];
    if (owner !== undefined) return (owner === "TypedArray" ? hidden["%TypedArray%"] : globalThis[owner])?.prototype;
    return globalThis[name];
  };
  const keyOf = (name) => (name.startsWith("@@") ? Symbol[name.slice(2)] : name === "--proto--" ? "__proto__" : name);

  const absent = [];
  const loose = [];
  let seen = 0;
  const look = (value, path) => {
    if ((typeof value !== "object" && typeof value !== "function") || value === null) return;
    seen += 1;
    if (!isFrozen(value)) loose.push(path);
  };
  for (const [name, properties] of Object.entries(list)) {
    const value = intrinsic(name);
    if (value === undefined) absent.push(name);
    if (value === undefined || value === null) continue;
    look(value, name);
    look(getPrototypeOf(value), `${name}.[[Proto]]`);
    for (const property of properties) {
      const key = keyOf(property);
      const found = key === undefined ? undefined : getOwnPropertyDescriptor(value, key);
      if (found === undefined) continue;
      for (const part of ["value", "get", "set"]) look(found[part], `${name}.${property}.${part}`);
    }
  }
  const stuck = [];
  for (const [name, properties] of Object.entries(overrides)) {
    const value = intrinsic(name);
    for (const key of properties.map(keyOf)) {
      const found = value === undefined ? undefined : getOwnPropertyDescriptor(value, key);
      // A getter alone cannot be assigned over anywhere.
      if (found?.get !== undefined && found.set === undefined) continue;
      const heir = Object.create(value ?? null);
      if (!Reflect.set(heir, key, heir) || getOwnPropertyDescriptor(heir, key)?.value !== heir) stuck.push(`${name}.${String(key)}`);
    }
  }
  return { absent, loose, seen, stuck };
}
