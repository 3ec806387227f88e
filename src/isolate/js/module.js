// The runtime of module policies: builds the context a handler gets (contract §3), records what it says, and hands
// the host the shortest answer there is. One policy runs at a time in a realm, so the record of the run under way
// is a single variable, and `deny` and its kin are the same functions for every policy.
(function (native) {
  "use strict";
  const { call, start, log } = native;
  const { parse, stringify } = JSON;
  const { freeze, keys } = Object;
  const isArray = Array.isArray;
  const MAX_RECORDS = 256;

  const freezeDeep = (value) => {
    if (typeof value !== "object" || value === null) return value;
    const queue = [value];
    while (queue.length > 0) {
      const item = queue.pop();
      freeze(item);
      for (const key of keys(item)) {
        const child = item[key];
        if (typeof child === "object" && child !== null) queue.push(child);
      }
    }
    return value;
  };

  // The review under way, and what the running policy has recorded about it.
  let review;
  let run;

  const hostError = (pair) => {
    const error = new Error(pair[1]);
    error.name = "HostError";
    error.reason = pair[0];
    return error;
  };
  const host = (operation, request) => {
    const answer = call(operation, stringify(request));
    if (answer === undefined || typeof answer === "string") return answer;
    throw hostError(answer);
  };
  const later = async (operation, request) => {
    const answer = await start(operation, stringify(request));
    if (answer === undefined || typeof answer === "string") return answer;
    throw hostError(answer);
  };

  const text = (value, what) => {
    if (typeof value === "string") return value;
    throw new TypeError(`${what} must be a string, not ${value === null ? "null" : typeof value}`);
  };
  const optional = (value, what) => (value === undefined ? undefined : text(value, what));
  const room = (list, what) => {
    if (list.length >= MAX_RECORDS) throw new RangeError(`${what}: more than ${MAX_RECORDS} in one run`);
  };

  // A field of the pod is told as a field of the workload that carries its template.
  const fieldOf = (field) => {
    const prefix = run.template?.path;
    return field === undefined || prefix === undefined ? field : `${prefix}.${field}`;
  };
  const deny = (message, options) => {
    const { field, reason, code } = options ?? {};
    room(run.deny, "deny");
    if (code !== undefined && !(Number.isInteger(code) && code >= 400 && code <= 599)) {
      throw new TypeError("deny: code must be an integer from 400 to 599");
    }
    run.deny.push({
      message: text(message, "deny: message"), field: fieldOf(optional(field, "deny: field")),
      reason: optional(reason, "deny: reason"), code,
    });
    run.said = true;
  };
  const warn = (message) => {
    room(run.warn, "warn");
    run.warn.push(text(message, "warn: message"));
    run.said = true;
  };
  const audit = (key, value) => {
    room(run.audit, "audit");
    run.audit.push([text(key, "audit: key"), text(value, "audit: value")]);
    run.said = true;
  };

  const value = (found) => (found === undefined ? undefined : parse(found));

  // "v1/ConfigMap" or "apps/v1/Deployment".
  const kindOf = (kind, what) => {
    const at = text(kind, `${what}: kind`).lastIndexOf("/");
    if (at <= 0) throw new TypeError(`${what}: "${kind}" must be like "v1/ConfigMap" or "apps/v1/Deployment"`);
    return { apiVersion: kind.slice(0, at), kind: kind.slice(at + 1) };
  };
  const get = (kind, options) => {
    const { namespace, name } = options ?? {};
    const found = host("get", {
      ...kindOf(kind, "get"), namespace: optional(namespace, "get: namespace"), name: text(name, "get: name"),
    });
    return freezeDeep(value(found));
  };
  const list = (kind, options) => {
    const { namespace, selector, index } = options ?? {};
    const found = host("list", {
      ...kindOf(kind, "list"), namespace: optional(namespace, "list: namespace"), labelSelector: selector, index,
    });
    return freezeDeep(found === undefined ? [] : parse(found));
  };
  const objectOf = (value, what) => {
    if (typeof value === "object" && value !== null && !isArray(value)) return value;
    throw new TypeError(`${what}: expects an object`);
  };
  const parsed = async (answer) => value(await answer);
  const create = (object) => parsed(later("create", { object: objectOf(object, "create") }));
  const update = (object) => parsed(later("update", { object: objectOf(object, "update") }));
  const remove = (object) => parsed(later("remove", { object: objectOf(object, "remove") }));
  const patch = (kind, options) => {
    const { namespace, name, patch: change } = options ?? {};
    return parsed(later("patch", {
      ...kindOf(kind, "patch"), namespace: optional(namespace, "patch: namespace"), name: text(name, "patch: name"), patch: change,
    }));
  };
  const fetch = async (url, options) => {
    const { method, headers, body, insecure } = options ?? {};
    const request = { url: String(url), method, headers, body: optional(body, "fetch: body"), insecure };
    const answer = parse(await later("fetch", request));
    const { body: content, status, statusText, headers: received } = answer;
    return freeze({
      status, statusText, headers: freeze(received), ok: status >= 200 && status < 300,
      async text() { return content; },
      async json() { return parse(content); },
    });
  };
  const env = (name) => value(host("env", { name: text(name, "env: name") }));
  const readFile = (path) => value(host("readFile", { path: text(path, "readFile: path") }));
  const write = (...values) => log(values.map((value) => (typeof value === "string" ? value : stringify(value))).join(" "));
  const functions = { deny, warn, audit, get, list, log: write, create, update, patch, remove, fetch, env, readFile };

  // Where each workload keeps the pod it makes (contract §3, `workloads`).
  const TEMPLATES = new Map([
    ["apps/deployments", ["spec", "template"]], ["apps/replicasets", ["spec", "template"]],
    ["apps/statefulsets", ["spec", "template"]], ["apps/daemonsets", ["spec", "template"]],
    ["batch/jobs", ["spec", "template"]], ["/replicationcontrollers", ["spec", "template"]],
    ["batch/cronjobs", ["spec", "jobTemplate", "spec", "template"]],
  ]);
  const descend = (object, path) => path.reduce((at, key) => at?.[key] ?? undefined, object ?? undefined);
  const podOf = (object, path) => {
    const template = descend(object, path);
    if (template === undefined) return undefined;
    return { apiVersion: "v1", kind: "Pod", metadata: { namespace: object.metadata?.namespace, ...template.metadata }, spec: template.spec };
  };
  const templateOf = (request) => {
    if (request.subResource) return undefined;
    const path = TEMPLATES.get(`${request.resource?.group ?? ""}/${request.resource?.resource ?? ""}`);
    return path === undefined ? undefined : { path, kind: request.kind?.kind, name: request.name };
  };

  const contextOf = (meta, object, oldObject) => {
    let seen = object;
    let old = oldObject;
    let template;
    const found = meta.workloads ? templateOf(review.request) : undefined;
    if (found !== undefined) {
      seen = podOf(object, found.path) ?? object;
      old = podOf(oldObject, found.path) ?? oldObject;
      if (seen !== object || old !== oldObject) {
        template = freeze({ kind: found.kind, name: found.name, path: found.path.join(".") });
        run.template = template;
      }
    }
    return {
      object: seen, oldObject: old, request: review.request, operation: review.request.operation,
      user: review.request.userInfo, namespace: review.namespace, parameters: meta.parameters,
      tenant: review.tenant, vantage: review.vantage, virtual: undefined, dryRun: review.request.dryRun === true,
      template, now: new Date(review.now), ...functions,
    };
  };

  const describe = (definition, at) => {
    if (typeof definition !== "object" || definition === null) {
      throw new TypeError(`default export${at}: expects policy({…}), not ${definition === null ? "null" : typeof definition}`);
    }
    const { validate, mutate, reconcile, ...rest } = definition;
    const handlers = [];
    for (const [name, handler] of [["validate", validate], ["mutate", mutate], ["reconcile", reconcile]]) {
      if (handler === undefined) continue;
      if (typeof handler !== "function") throw new TypeError(`default export${at}: ${name} must be a function`);
      handlers.push(name);
    }
    return { ...rest, handlers };
  };
  const definitionsOf = (namespace) => {
    const exported = namespace?.default;
    if (exported === undefined) return undefined;
    return isArray(exported) ? exported : [exported];
  };

  // What a run says, as short as can be: nothing at all is an allow.
  const recorded = () => (run.said ? stringify([run.deny, run.warn, run.audit]) : undefined);

  return freeze({
    // What the default export declares, or undefined for a module that is no policy.
    describe(namespace) {
      const definitions = definitionsOf(namespace);
      return definitions === undefined
        ? undefined
        : stringify(definitions.map((definition, index) => describe(definition, isArray(namespace.default) ? `[${index}]` : "")));
    },

    // A policy made ready: a function of the phase that runs it on the review under way.
    load(namespace, entry, workloads, parameters) {
      const definition = definitionsOf(namespace)[entry];
      const { validate, mutate } = definition;
      const meta = freeze({ workloads, parameters: freezeDeep(parse(parameters)) });
      const fresh = () => {
        run = { said: false, deny: [], warn: [], audit: [], template: undefined };
      };
      return {
        validate() {
          fresh();
          return validate.call(definition, contextOf(meta, review.request.object, review.request.oldObject));
        },
        mutate() {
          fresh();
          review.draft = parse(review.before);
          return mutate.call(definition, contextOf(meta, review.draft, review.request.oldObject));
        },
      };
    },

    begin(request, namespace, tenant, vantage, now) {
      for (const name of ["object", "oldObject", "options"]) {
        if (request[name] === undefined) request[name] = null;
      }
      review = {
        request: freezeDeep(request), vantage, now,
        namespace: namespace === undefined ? undefined : freezeDeep(parse(namespace)),
        tenant: freezeDeep(parse(tenant)), before: undefined, draft: undefined,
      };
    },
    beginMutations() {
      review.before = stringify(review.request.object);
    },
    end() {
      review = undefined;
      run = undefined;
    },

    // After `validate` returned (or its promise was fulfilled) with `value`.
    validated(value) {
      if (value !== undefined) throw new TypeError(`validate returned ${typeof value}: call deny(), it must return nothing`);
      return recorded();
    },
    // The same for `mutate`: the texts before and after where they differ. `commit` is false for a policy whose
    // changes are not to be applied.
    mutated(value, commit) {
      if (value !== undefined) {
        throw new TypeError(`mutate returned ${typeof value}: edit \`object\` in place, it must return nothing`);
      }
      const { before } = review;
      const after = stringify(review.draft);
      review.draft = undefined;
      if (after === before) return [recorded(), undefined, undefined];
      if (commit) review.before = after;
      return [recorded(), before, after];
    },

    // Words for whatever was thrown, without a look at what its getters say beyond these two names.
    explain(thrown) {
      if (typeof thrown === "object" && thrown !== null) {
        const { name, message } = thrown;
        if (typeof message === "string") return typeof name === "string" ? `${name}: ${message}` : message;
        return `an object was thrown: ${stringify(thrown)}`;
      }
      return String(thrown);
    },
  });
})
