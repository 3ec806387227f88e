// Uses the setters that repair the override mistake to reach somebody else's object.
// must: deny Error toString
function validate({ deny, object }) {
  for (const prototype of [Object.prototype, Error.prototype, Function.prototype, Array.prototype]) {
    for (const key of Reflect.ownKeys(prototype)) {
      const { get, set } = Object.getOwnPropertyDescriptor(prototype, key);
      for (const target of [prototype, object, deny, JSON, globalThis, get, set, Map.prototype, Object.freeze({})]) {
        try { set?.call(target, "tampered"); } catch { }
      }
      try { get.originalValue = 1; } catch { }
    }
  }
  deny(`${new Error("x").name} ${({}).toString.name}`);
}
