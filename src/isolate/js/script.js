// The globals of a jsPolicy script (research: jsPolicy 0.2 and 0.3). Evaluated in a fresh realm before each script;
// the script may overwrite any of them, as it could there, for it is the only one that ever runs in this realm. Scripts
// that were proved to overwrite nothing share a realm: there `share` is called once, and each run begins with `enter`.
(function (native) {
  "use strict";
  const { parse, stringify } = JSON;
  const { EvalError } = globalThis;
  const call = native.call;
  const quit = native.exit;
  const giveUp = native.giveUp;
  const log = native.log;
  const keys = Object.keys;
  const define = (name, value) => {
    Object.defineProperty(globalThis, name, { value, writable: true, enumerable: true, configurable: true });
  };

  // What a host function throws is a plain object, not an Error: policies compare its `reason`.
  const thrown = (reason, message) => ({ reason, message, toString() { return `${reason}: ${message}`; } });
  const wrong = (message) => thrown("WrongArguments", message);

  // The run under way in a shared realm, which may ask the host for `operations` alone. For all else it gives up, before
  // it had any effect, and the script is run again in a realm of its own.
  let run;

  // Answers are a string (JSON), undefined, or a pair of reason and message where the host refused.
  const host = (operation, request) => {
    if (run !== undefined && !run.operations.includes(operation)) {
      giveUp();
      for (;;);
    }
    const answer = call(operation, stringify(request));
    if (answer === undefined || typeof answer === "string") return answer;
    throw thrown(answer[0], answer[1]);
  };
  const isPolicyFault = ({ reason }) =>
    reason === "PermissionDenied" || reason === "LimitExceeded" || reason === "ServiceAccountRefused";
  // jsPolicy's word for what failed, which policies may compare; the message says more.
  const renamed = (error, reason) => isPolicyFault(error) ? error : thrown(reason, error.message);
  const optionsOf = (options, of) => {
    if (options === undefined || options === null) return {};
    if (typeof options !== "object") throw thrown("UnmarshalOptions", `${of}: options must be an object`);
    return options;
  };

  // Looked up by name on each use: a script may write to it, or put its own in its place.
  define("__response", {});
  define("exports", {});

  // Termination cannot be caught and skips `finally`: the loop only waits for it to arrive.
  const exit = function exit() {
    quit();
    for (;;);
  };
  define("exit", exit);
  define("allow", function allow() { exit(); });
  define("deny", function deny(message, reason, code) {
    __response.deny = true;
    __response.message = message;
    __response.reason = reason;
    __response.code = code;
    exit();
  });
  define("mutate", function mutate(object) {
    __response.patched = object;
    exit();
  });
  define("requeue", function requeue(message) {
    __response.reschedule = true;
    __response.message = message;
    exit();
  });
  define("warn", function warn(message) {
    if (__response.warnings === undefined) __response.warnings = [];
    __response.warnings.push(message);
  });

  define("print", function print(...values) {
    log(values.map((value) => {
      if (typeof value === "string") return value;
      try {
        return String(stringify(value));
      } catch {
        return "";
      }
    }).join(" "));
  });
  const { print } = globalThis;
  // The rest of V8's console stays, and stays mute as it was.
  Object.assign(globalThis.console, { log: print, info: print, warn: print, error: print, debug: print, trace: print });

  define("sleep", function sleep(milliseconds) {
    if (arguments.length === 1 && typeof milliseconds === "number") host("sleep", { milliseconds });
  });
  define("env", function env(name) {
    if (arguments.length !== 1 || typeof name !== "string") return undefined;
    // An unset variable is the empty string, as it was.
    const found = host("env", { name });
    return found === undefined ? "" : parse(found);
  });
  define("readFileSync", function readFileSync(path) {
    if (arguments.length !== 1 || typeof path !== "string") return undefined;
    try {
      const found = host("readFile", { path });
      return found === undefined ? undefined : parse(found);
    } catch (error) {
      if (error.reason === "PermissionDenied") throw error;
      return undefined;
    }
  });
  define("atob", function atob(text) {
    return arguments.length === 1 && typeof text === "string" ? call("base64Decode", text) : undefined;
  });
  define("btoa", function btoa(text) {
    return arguments.length === 1 && typeof text === "string" ? call("base64Encode", text) : undefined;
  });

  define("get", function get(kind, apiVersion, name, options) {
    if (typeof kind !== "string" || typeof apiVersion !== "string" || typeof name !== "string") {
      throw wrong("get: expects kind, apiVersion and name as strings");
    }
    const { cache } = optionsOf(options, "get");
    if (cache !== undefined && cache !== null && typeof cache !== "boolean" && cache !== "smart") {
      throw thrown("UnmarshalOptions", "get: options.cache must be true, false or \"smart\"");
    }
    // Only one slash parts a namespace from a name.
    const parts = name.split("/");
    const request = parts.length === 2 ? { namespace: parts[0], name: parts[1] } : { name };
    // The cache was asked for any name, and one that no object can have was merely not found.
    const isCached = cache === undefined || cache === null || cache === true;
    if (isCached && (request.name === "" || parts.length > 2)) return undefined;
    try {
      const found = host("get", { apiVersion, kind, cache: cache ?? undefined, ...request });
      return found === undefined ? undefined : parse(found);
    } catch (error) {
      if (isCached && error.reason === "NamespaceRequired") return undefined;
      throw renamed(error, "RetrieveObject");
    }
  });
  define("list", function list(kind, apiVersion, options) {
    if (typeof kind !== "string" || typeof apiVersion !== "string") {
      throw wrong("list: expects kind and apiVersion as strings");
    }
    const { cache, namespace, labelSelector } = optionsOf(options, "list");
    for (const [key, value] of [["namespace", namespace], ["labelSelector", labelSelector]]) {
      if (value !== undefined && value !== null && typeof value !== "string") {
        throw thrown("UnmarshalOptions", `list: options.${key} must be a string`);
      }
    }
    if (cache !== undefined && cache !== null && typeof cache !== "boolean" && cache !== "smart") {
      throw thrown("UnmarshalOptions", "list: options.cache must be true, false or \"smart\"");
    }
    try {
      const found = host("list", {
        apiVersion, kind, cache: cache ?? undefined,
        namespace: namespace || undefined, labelSelector: labelSelector || undefined,
      });
      return found === undefined ? [] : parse(found);
    } catch (error) {
      // The types were looked at above: what the host still finds wrong is the selector's text.
      throw renamed(error, error.reason === "WrongArguments" ? "ParseLabelSelector" : "ErrorListing");
    }
  });

  const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);
  const write = (operation, object) => {
    try {
      const answer = host(operation, { object });
      return { ok: true, object: answer === undefined ? object : parse(answer) };
    } catch (error) {
      // A missing permission is the author's to mend, not a result to branch on.
      if (error === null || typeof error !== "object" || isPolicyFault(error)) throw error;
      const { reason, message } = error;
      // What cannot be sent is thrown, but for `remove`.
      const unsendable = reason === undefined ? "StringifyObject" : reason === "WrongArguments" ? "UnmarshalObject" : "";
      if (unsendable !== "" && operation !== "remove") throw thrown(unsendable, message);
      return reason ? { ok: false, reason, message } : { ok: false, message };
    }
  };
  define("create", function create(object) {
    if (arguments.length !== 1 || !isObject(object)) throw wrong("create: expects one object");
    return write("create", object);
  });
  define("update", function update(object) {
    if (arguments.length !== 1 || !isObject(object)) throw wrong("update: expects one object");
    return write("update", object);
  });
  define("remove", function remove(object) {
    if (arguments.length !== 1 || !isObject(object)) return { ok: false, message: "remove: expects one object" };
    const result = write("remove", object);
    if (result.ok) result.object = object;
    return result;
  });

  define("fetchSync", function fetchSync(url, options) {
    if (typeof url !== "string") throw wrong("fetchSync: expects a url");
    const { method, headers, insecure, body } = optionsOf(options, "fetchSync");
    for (const [key, value, type] of [["method", method, "string"], ["insecure", insecure, "boolean"], ["body", body, "string"]]) {
      if (value !== undefined && value !== null && typeof value !== type) {
        throw thrown("UnmarshalOptions", `fetchSync: options.${key} must be a ${type}`);
      }
    }
    if (!Object.values(headers ?? {}).every((value) => typeof value === "string")) {
      throw thrown("UnmarshalOptions", "fetchSync: options.headers must be strings by name");
    }
    let answer;
    try {
      answer = parse(host("fetch", { url, method, headers, insecure, body: body ?? undefined }));
    } catch (error) {
      if (isPolicyFault(error)) throw error;
      throw `fetchSync: ${error.message}`;
    }
    const text = answer.body;
    return {
      text() { return text; },
      json() { return parse(text); },
      headers: answer.headers,
      status: answer.status,
      statusText: answer.statusText,
      ok: answer.status >= 200 && answer.status < 300,
    };
  });

  // The names by which jsPolicy's own prelude called its host. Few manifests do, and they get the same functions.
  for (const name of ["get", "list", "create", "update", "remove", "fetchSync", "exit"]) {
    define(`__${name}`, globalThis[name]);
  }
  define("__throw", function __throw(message) { throw message; });

  // Half of a surrogate pair became U+FFFD on its way to Go; JSON would refuse it.
  const toWellFormed = Function.prototype.call.bind(String.prototype.toWellFormed);
  const whole = (key, value) => (typeof value === "string" ? toWellFormed(value) : value);

  let received;
  // JSON.parse and not source text: a key named __proto__ stays a key.
  const requestOf = (text) => {
    const request = parse(text);
    if (request.object === undefined) request.object = null;
    if (request.oldObject === undefined) request.oldObject = null;
    if (request.options === undefined) request.options = null;
    return request;
  };
  const quick = ["env"];
  const reading = ["env", "get", "list", "readFile"];
  return {
    begin(text, policyName) {
      received = text;
      define("__policy", policyName);
      define("request", requestOf(text));
    },
    // What each run has of its own is looked up on each use.
    share() {
      for (const name of ["__response", "exports", "__policy", "request"]) {
        Object.defineProperty(globalThis, name, { get() { return run[name]; }, enumerable: true, configurable: true });
      }
    },
    enter(text, policyName, mayRead) {
      received = text;
      run = {
        __response: {}, exports: {}, __policy: policyName, request: requestOf(text), operations: mayRead ? reading : quick,
      };
    },
    leave() {
      received = undefined;
      run = undefined;
    },
    // What the script recorded; what it wants the object to be; and the object as it was, made by the same hand. Nothing
    // where it recorded nothing.
    end() {
      // Of another type the decoder is to refuse it, as Go's did.
      if (typeof (__response ?? {}) !== "object" || Array.isArray(__response)) return stringify([String(__response), null, null]);
      const { patched, ...rest } = __response ?? {};
      const changed = patched !== undefined && patched !== null;
      const recorded = keys(rest).length > 0;
      if (!changed && !recorded) return undefined;
      const before = changed ? stringify(parse(received).object ?? null) : null;
      const after = changed ? (stringify(patched) ?? null) : null;
      return stringify([recorded ? rest : null, after, before], whole);
    },
    words(thrown) {
      const text = thrown instanceof Error && typeof thrown.stack === "string" ? thrown.stack.split("\n")[0] : String(thrown);
      return thrown instanceof EvalError ? `${text}; code from text needs \`permissions: { codegen: true }\`` : text;
    },
  };
})
