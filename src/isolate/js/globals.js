// What a module policy finds besides ECMAScript (contract §3): console, URL, TextEncoder and TextDecoder, atob and
// btoa, structuredClone, crypto.subtle.digest. Standards' semantics where a pure policy can tell; no timers, no I/O.
(function (native) {
  "use strict";
  const { call, log } = native;
  const define = (name, value) => {
    Object.defineProperty(globalThis, name, { value, writable: true, enumerable: false, configurable: true });
  };
  const fail = (name, message) => {
    const error = new Error(message);
    error.name = name;
    return error;
  };

  const show = (value) => {
    if (typeof value === "string") return value;
    try {
      if (value instanceof Error) return `${value.name}: ${value.message}`;
      return JSON.stringify(value) ?? String(value);
    } catch {
      return typeof value === "bigint" ? `${value}n` : `[${typeof value}]`;
    }
  };
  const line = (...values) => log(values.map(show).join(" "));
  const mute = () => undefined;
  define("console", {
    log: line, info: line, warn: line, error: line, debug: line, trace: line,
    assert(condition, ...values) { if (!condition) line("Assertion failed:", ...values); },
    group: mute, groupEnd: mute, time: mute, timeEnd: mute, count: mute, dir: line, table: line,
  });

  // Binary data crosses to the host as text of one character a byte.
  const toBinary = (bytes) => {
    let text = "";
    for (let at = 0; at < bytes.length; at += 8192) text += String.fromCharCode(...bytes.subarray(at, at + 8192));
    return text;
  };
  const fromBinary = (text) => {
    const bytes = new Uint8Array(text.length);
    for (let at = 0; at < text.length; at += 1) bytes[at] = text.charCodeAt(at);
    return bytes;
  };
  const bytesOf = (source, what) => {
    if (source instanceof ArrayBuffer) return new Uint8Array(source);
    if (ArrayBuffer.isView(source)) return new Uint8Array(source.buffer, source.byteOffset, source.byteLength);
    throw new TypeError(`${what}: expects an ArrayBuffer or a view of one`);
  };

  define("atob", function atob(text) {
    const binary = call("latin1Decode", String(text));
    if (binary === undefined) throw fail("InvalidCharacterError", "atob: the text is not base64");
    return binary;
  });
  define("btoa", function btoa(binary) {
    const text = String(binary);
    for (let at = 0; at < text.length; at += 1) {
      if (text.charCodeAt(at) > 255) throw fail("InvalidCharacterError", "btoa: the text has characters beyond Latin-1");
    }
    return call("latin1Encode", text);
  });

  define("TextEncoder", class TextEncoder {
    get encoding() { return "utf-8"; }
    encode(text = "") {
      return fromBinary(call("utf8Encode", String(text).toWellFormed()));
    }
    encodeInto(text, target) {
      let read = 0;
      let written = 0;
      for (const character of String(text).toWellFormed()) {
        const bytes = this.encode(character);
        if (written + bytes.length > target.length) break;
        target.set(bytes, written);
        written += bytes.length;
        read += character.length;
      }
      return { read, written };
    }
  });
  define("TextDecoder", class TextDecoder {
    #fatal;
    #keepMark;
    constructor(label = "utf-8", { fatal = false, ignoreBOM = false } = {}) {
      if (!["utf-8", "utf8", "unicode-1-1-utf-8"].includes(String(label).trim().toLowerCase())) {
        throw new RangeError(`TextDecoder: ${label} is not supported, only utf-8`);
      }
      this.#fatal = Boolean(fatal);
      this.#keepMark = Boolean(ignoreBOM);
    }
    get encoding() { return "utf-8"; }
    get fatal() { return this.#fatal; }
    get ignoreBOM() { return this.#keepMark; }
    decode(source = new Uint8Array()) {
      const text = call(this.#fatal ? "utf8DecodeStrict" : "utf8Decode", toBinary(bytesOf(source, "TextDecoder.decode")));
      if (text === undefined) throw new TypeError("TextDecoder.decode: the bytes are not UTF-8");
      return !this.#keepMark && text.startsWith("\uFEFF") ? text.slice(1) : text;
    }
  });

  const digests = ["SHA-1", "SHA-256", "SHA-384", "SHA-512"];
  define("crypto", {
    subtle: {
      async digest(algorithm, data) {
        const name = String(typeof algorithm === "object" ? algorithm?.name : algorithm).toUpperCase();
        if (!digests.includes(name)) throw fail("NotSupportedError", `crypto.subtle.digest: ${name} is not one of ${digests.join(", ")}`);
        return fromBinary(call(`digest ${name}`, toBinary(bytesOf(data, "crypto.subtle.digest")))).buffer;
      },
    },
  });

  const cloneError = (value) => fail("DataCloneError", `structuredClone: a ${typeof value} cannot be cloned`);
  const clone = (value, seen) => {
    if (typeof value === "function" || typeof value === "symbol") throw cloneError(value);
    if (typeof value !== "object" || value === null) return value;
    const known = seen.get(value);
    if (known !== undefined) return known;
    const keep = (made) => {
      seen.set(value, made);
      return made;
    };
    if (Array.isArray(value)) {
      const made = keep(new Array(value.length));
      for (const key of Object.keys(value)) made[key] = clone(value[key], seen);
      return made;
    }
    if (value instanceof Date) return keep(new Date(value.getTime()));
    if (value instanceof RegExp) return keep(new RegExp(value.source, value.flags));
    if (value instanceof ArrayBuffer) return keep(value.slice(0));
    if (ArrayBuffer.isView(value)) {
      const buffer = clone(value.buffer, seen);
      const length = value instanceof DataView ? value.byteLength : value.length;
      return keep(new value.constructor(buffer, value.byteOffset, length));
    }
    if (value instanceof Map) {
      const made = keep(new Map());
      for (const [key, item] of value) made.set(clone(key, seen), clone(item, seen));
      return made;
    }
    if (value instanceof Set) {
      const made = keep(new Set());
      for (const item of value) made.add(clone(item, seen));
      return made;
    }
    if (value instanceof Error) {
      const made = keep(new Error(value.message));
      made.name = value.name;
      return made;
    }
    if (value instanceof Promise || value instanceof WeakMap || value instanceof WeakSet) throw cloneError(value);
    const made = keep({});
    for (const key of Object.keys(value)) {
      // defineProperty, or a key named __proto__ would set the prototype.
      Object.defineProperty(made, key, { value: clone(value[key], seen), writable: true, enumerable: true, configurable: true });
    }
    return made;
  };
  define("structuredClone", function structuredClone(value) { return clone(value, new Map()); });

  const decode = (text) => call("formDecode", text.replaceAll("+", " "));
  class URLSearchParams {
    #pairs = [];
    #changed = mute;
    static { URLSearchParams.link = (params, changed) => { params.#changed = changed; }; }
    constructor(source = "") {
      if (typeof source === "object" && source !== null) {
        const entries = typeof source[Symbol.iterator] === "function" ? source : Object.entries(source);
        for (const [name, value] of entries) this.#pairs.push([String(name), String(value)]);
        return;
      }
      for (const part of String(source).replace(/^\?/, "").split("&")) {
        if (part === "") continue;
        const at = part.indexOf("=");
        this.#pairs.push(at < 0 ? [decode(part), ""] : [decode(part.slice(0, at)), decode(part.slice(at + 1))]);
      }
    }
    get size() { return this.#pairs.length; }
    append(name, value) { this.#pairs.push([String(name), String(value)]); this.#changed(); }
    delete(name) { this.#pairs = this.#pairs.filter(([key]) => key !== String(name)); this.#changed(); }
    get(name) { return this.#pairs.find(([key]) => key === String(name))?.[1] ?? null; }
    getAll(name) { return this.#pairs.filter(([key]) => key === String(name)).map(([, value]) => value); }
    has(name) { return this.#pairs.some(([key]) => key === String(name)); }
    set(name, value) {
      const at = this.#pairs.findIndex(([key]) => key === String(name));
      if (at < 0) {
        this.#pairs.push([String(name), String(value)]);
      } else {
        this.#pairs = this.#pairs.filter(([key], index) => index <= at || key !== String(name));
        this.#pairs[at] = [String(name), String(value)];
      }
      this.#changed();
    }
    sort() {
      this.#pairs.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
      this.#changed();
    }
    forEach(visit, receiver) { for (const [name, value] of this.#pairs) visit.call(receiver, value, name, this); }
    *entries() { for (const [name, value] of this.#pairs) yield [name, value]; }
    *keys() { for (const [name] of this.#pairs) yield name; }
    *values() { for (const [, value] of this.#pairs) yield value; }
    [Symbol.iterator]() { return this.entries(); }
    toString() {
      return this.#pairs.map((pair) => pair.map((text) => call("formEncode", text.toWellFormed())).join("=")).join("&");
    }
  }
  const { link } = URLSearchParams;
  delete URLSearchParams.link;
  define("URLSearchParams", URLSearchParams);

  // Parsed by the host with the WHATWG algorithm; here are only its parts.
  const parseUrl = (request) => {
    const answer = call("url", JSON.stringify(request));
    return answer === undefined ? undefined : JSON.parse(answer);
  };
  class URL {
    #parts;
    #params;
    constructor(url, base) {
      const parts = parseUrl({ url: String(url), base: base === undefined ? undefined : String(base) });
      if (parts === undefined) throw new TypeError(`URL: ${JSON.stringify(String(url))} is not a valid URL`);
      this.#parts = parts;
    }
    static canParse(url, base) {
      return parseUrl({ url: String(url), base: base === undefined ? undefined : String(base) }) !== undefined;
    }
    static parse(url, base) { return URL.canParse(url, base) ? new URL(url, base) : null; }
    static {
      for (const name of ["href", "protocol", "username", "password", "host", "hostname", "port", "pathname", "search", "hash"]) {
        Object.defineProperty(URL.prototype, name, {
          get() { return this.#parts[name]; },
          set(value) {
            const parts = parseUrl({ url: this.#parts.href, set: name, value: String(value) });
            if (parts === undefined) {
              if (name === "href") throw new TypeError("URL: the new href is not a valid URL");
              return;
            }
            this.#parts = parts;
            if (name === "search" || name === "href") this.#params = undefined;
          },
          enumerable: true, configurable: true,
        });
      }
    }
    get origin() { return this.#parts.origin; }
    get searchParams() {
      if (this.#params === undefined) {
        this.#params = new URLSearchParams(this.search);
        link(this.#params, () => {
          this.#parts = parseUrl({ url: this.#parts.href, set: "search", value: this.#params.toString() }) ?? this.#parts;
        });
      }
      return this.#params;
    }
    toString() { return this.href; }
    toJSON() { return this.href; }
  }
  define("URL", URL);
})
