// @ts-nocheck: JavaScript, copied from src/isolate/js/module.js by `npm run engine`. Edit it there.
import type { Runtime } from "./runtime.ts";

export const engine: Runtime = (console) => (
// The runtime of module policies: builds the context a handler gets (contract §3), records what it says, and hands
// the host the shortest answer there is. One policy runs at a time in a realm, so the record of the run under way
// is a single variable, and `deny` and its kin are the same functions for every policy.
(function (native, around) {
  "use strict";
  const { call, start, said } = native;
  const { begin: beginTime, Date, quotaOf } = around;
  const { log } = console;
  const { parse, stringify } = JSON;
  const { freeze, keys } = Object;
  const isArray = Array.isArray;
  // What a run may record. Beyond it records are dropped and the run goes on: were it an error, whoever makes an object
  // with enough faults in it would turn a denial into one.
  const MAX_RECORDS = 256;
  const MAX_RECORDED = 131_072;
  const MAX_TEXT = 4_096;

  // Of the ways to walk what JSON.parse made, this one is the fastest: `for in` makes no list of the keys, and what is
  // frozen here inherits nothing enumerable. Recursion is safe: reviews are at most 127 levels deep.
  const freezeDeep = (value) => {
    if (typeof value !== "object" || value === null) return value;
    if (isArray(value)) {
      for (let at = 0; at < value.length; at += 1) freezeDeep(value[at]);
    } else {
      for (const key in value) freezeDeep(value[key]);
    }
    return freeze(value);
  };

  // The review under way, and what the running policy has recorded about it. The lists are made when first needed: most
  // policies have nothing to say.
  let review;
  let denials;
  let warnings;
  let audits;
  let requeued;
  let isReconciling = false;
  let isMutating = false;
  let recordedLength = 0;
  let template;
  let edited;

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

  // A text for the record: never too long, and never half of a surrogate pair, which JSON cannot carry.
  const noted = (value, what) => {
    const whole = text(value, what);
    return (whole.length > MAX_TEXT ? `${whole.slice(0, MAX_TEXT - 1)}…` : whole).toWellFormed();
  };
  const note = (list, entry, length) => {
    if (list === undefined) {
      said();
      list = [];
    }
    if (list.length < MAX_RECORDS && (recordedLength < MAX_RECORDED || list.length === 0)) {
      list.push(entry);
      recordedLength += length;
    }
    return list;
  };
  const deny = (message, options) => {
    const { field, reason, code } = options ?? {};
    if (code !== undefined && !(Number.isInteger(code) && code >= 400 && code <= 599)) {
      throw new TypeError("deny: code must be an integer from 400 to 599");
    }
    const entry = {
      message: noted(message, "deny: message"), field: field === undefined ? undefined : noted(field, "deny: field"),
      reason: reason === undefined ? undefined : noted(reason, "deny: reason"), code,
    };
    // A field of the pod is told as a field of the workload that carries its template.
    if (entry.field !== undefined && template !== undefined) entry.field = `${template.path}.${entry.field}`;
    denials = note(denials, entry, entry.message.length + (entry.field?.length ?? 0) + (entry.reason?.length ?? 0));
  };
  const warn = (message) => {
    const entry = noted(message, "warn: message");
    warnings = note(warnings, entry, entry.length);
  };
  const audit = (key, value) => {
    const entry = [noted(key, "audit: key"), noted(value, "audit: value")];
    audits = note(audits, entry, entry[0].length + entry[1].length);
  };

  // What a controller asks for beside its writes: to see the object again, soon or after some time.
  const LONGEST_WAIT = 30 * 86_400;
  const requeue = (message) => {
    said();
    requeued = { message: message === undefined ? "" : noted(message, "requeue: message") };
  };
  const requeueAfter = (seconds, message) => {
    if (typeof seconds !== "number" || !(seconds > 0 && seconds <= LONGEST_WAIT)) {
      throw new TypeError(`requeueAfter: expects seconds, more than 0 and at most ${LONGEST_WAIT}`);
    }
    requeue(message);
    requeued.after = Math.ceil(seconds * 1e3);
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
  const apply = (object, options) =>
    parsed(later("apply", { object: objectOf(object, "apply"), force: options?.force }));
  const update = (object) => parsed(later("update", { object: objectOf(object, "update") }));
  const remove = (object) => parsed(later("remove", { object: objectOf(object, "remove") }));
  const patch = (kind, options) => {
    const { namespace, name, patch: change } = options ?? {};
    return parsed(later("patch", {
      ...kindOf(kind, "patch"), namespace: optional(namespace, "patch: namespace"), name: text(name, "patch: name"), patch: change,
    }));
  };
  // The host names headers as Go does, for scripts; the Fetch standard has them in lower case.
  const lowered = (headers) => Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
  const fetch = async (url, options) => {
    const { method, headers, body, insecure } = options ?? {};
    const request = { url: String(url), method, headers, body: optional(body, "fetch: body"), insecure };
    const answer = parse(await later("fetch", request));
    const { body: content, status, statusText, headers: received } = answer;
    return freeze({
      status, statusText, headers: freeze(lowered(received)), ok: status >= 200 && status < 300,
      async text() { return content; },
      async json() { return parse(content); },
    });
  };
  const env = (name) => value(host("env", { name: text(name, "env: name") }));
  const readFile = (path) => value(host("readFile", { path: text(path, "readFile: path") }));

  const quota = quotaOf({
    later, freezeDeep, text,
    // The review that a policy may reserve for.
    reviewOf(what) {
      if (review === undefined || isMutating || isReconciling) throw new TypeError(`${what}: only \`validate\` may reserve`);
      return review;
    },
  });

  // The policies of a realm share these, so none of them may leave anything on one.
  const reach = { get, list, create, update, patch, apply, remove, fetch, env, readFile };
  for (const shared of [deny, warn, audit, requeue, requeueAfter, ...Object.values(reach)]) freeze(shared);

  // Where each workload keeps the pod it makes (contract §3, `workloads`).
  const TEMPLATES = new Map([
    ["apps/deployments", ["spec", "template"]], ["apps/replicasets", ["spec", "template"]],
    ["apps/statefulsets", ["spec", "template"]], ["apps/daemonsets", ["spec", "template"]],
    ["batch/jobs", ["spec", "template"]], ["/replicationcontrollers", ["spec", "template"]],
    ["batch/cronjobs", ["spec", "jobTemplate", "spec", "template"]],
  ]);
  const descend = (object, path) => path.reduce((at, key) => at?.[key] ?? undefined, object ?? undefined);
  const podOf = (object, path, draft) => {
    const found = descend(object, path);
    if (typeof found !== "object") return undefined;
    // A draft shares its parts with the workload, so that edits reach it; elsewhere the pod can tell its namespace.
    const metadata = draft ? (found.metadata ?? {}) : freeze({ namespace: object.metadata?.namespace, ...found.metadata });
    const pod = { apiVersion: "v1", kind: "Pod", metadata, spec: found.spec };
    return draft ? pod : freeze(pod);
  };
  // What a mutating policy put in place of the parts that the draft shared.
  const putBack = () => {
    const found = edited === undefined ? undefined : descend(review.draft, edited.path);
    if (found === undefined) return;
    const { pod } = edited;
    if (found.metadata !== undefined || keys(pod.metadata ?? {}).length > 0) found.metadata = pod.metadata;
    found.spec = pod.spec;
  };
  const pathOf = (request) => {
    if (request.subResource) return undefined;
    return TEMPLATES.get(`${request.resource?.group ?? ""}/${request.resource?.resource ?? ""}`);
  };
  // What a policy with `workloads` sees in place of the objects of the review; `null` where they are no workloads.
  const viewOf = (request) => {
    const path = pathOf(request);
    if (path === undefined) return null;
    const about = freeze({ kind: request.kind?.kind, name: request.name, path: path.join(".") });
    return { path, about, object: podOf(request.object, path, false), oldObject: podOf(request.oldObject, path, false) };
  };

  // Begins a run: its context. `draft` is what a mutating policy edits.
  const contextOf = (meta, draft) => {
    const { request } = review;
    beginTime(review.now, request.uid, meta.policy);
    denials = undefined;
    warnings = undefined;
    audits = undefined;
    requeued = undefined;
    recordedLength = 0;
    template = undefined;
    edited = undefined;
    isReconciling = meta.reconciles;
    isMutating = draft !== undefined;
    if (isReconciling) return reconcileContextOf(meta);
    let object = draft ?? request.object;
    let { oldObject } = request;
    if (meta.workloads) {
      if (review.view === undefined) review.view = viewOf(request);
      const seen = review.view;
      if (seen !== null) {
        const pod = draft === undefined ? seen.object : podOf(draft, seen.path, true);
        if (pod !== undefined || seen.oldObject !== undefined) template = seen.about;
        if (pod !== undefined && draft !== undefined) edited = { pod, path: seen.path };
        object = pod ?? object;
        oldObject = seen.oldObject ?? oldObject;
      }
    }
    return {
      object, oldObject, request, operation: request.operation, user: request.userInfo,
      namespace: review.namespace, parameters: meta.parameters, tenant: review.tenant, vantage: review.vantage,
      virtual: review.virtual, dryRun: request.dryRun === true, template, now: new Date(review.now),
      deny, warn, audit, get, list, log, create, update, patch, apply, remove, fetch, env, readFile,
      quota: isMutating ? undefined : quota,
    };
  };
  // What a controller is told of: an object that is there, or one that is gone as it last was.
  const reconcileContextOf = (meta) => {
    const { request } = review;
    const { group, version, kind } = request.kind;
    const key = { apiVersion: group ? `${group}/${version}` : version, kind, namespace: request.namespace || undefined, name: request.name };
    return {
      object: request.object ?? undefined, oldObject: request.oldObject ?? undefined, key: freeze(key),
      operation: request.operation, namespace: review.namespace, parameters: meta.parameters, tenant: review.tenant,
      dryRun: request.dryRun === true, now: new Date(review.now), requeue, requeueAfter, deny, warn, log, ...reach,
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
  const recorded = () => (
    denials === undefined && warnings === undefined && audits === undefined && requeued === undefined
      ? undefined
      : stringify([denials ?? [], warnings ?? [], audits ?? [], requeued])
  );

  // Namespace and tenant are the same from one review to the next more often than not.
  let knownNamespace;
  let knownTenant;

  return freeze({
    // What the default export declares, or undefined for a module that is no policy.
    describe(namespace) {
      const definitions = definitionsOf(namespace);
      return definitions === undefined
        ? undefined
        : stringify(definitions.map((definition, index) => describe(definition, isArray(namespace.default) ? `[${index}]` : "")));
    },

    // A policy made ready: a function of the phase that runs it on the review under way. One that reconciles does so
    // where others validate.
    load(namespace, entry, workloads, parameters, policy) {
      const definition = definitionsOf(namespace)[entry];
      const { mutate, reconcile } = definition;
      const validate = reconcile ?? definition.validate;
      const reconciles = reconcile !== undefined;
      const meta = freeze({ workloads, policy, reconciles, parameters: freezeDeep(parse(parameters)) });
      return {
        validate() {
          return validate.call(definition, contextOf(meta, undefined));
        },
        mutate() {
          review.draft = parse(review.before);
          return mutate.call(definition, contextOf(meta, review.draft));
        },
      };
    },

    // `namespace` and `tenant` are JSON texts, or undefined where they are the ones of the last review; a review without
    // a namespace has `null` for it. `view` is the object as the tenant knows it, as JSON, or undefined.
    begin(request, namespace, tenant, isVirtual, now, view) {
      for (const name of ["object", "oldObject", "options"]) {
        if (request[name] === undefined) request[name] = null;
      }
      if (namespace !== undefined) knownNamespace = freezeDeep(parse(namespace) ?? undefined);
      if (tenant !== undefined) knownTenant = freezeDeep(parse(tenant));
      review = {
        request: freezeDeep(request), vantage: isVirtual ? "virtual" : "host", now,
        virtual: view === undefined ? undefined : freezeDeep(parse(view)),
        namespace: knownNamespace, tenant: knownTenant, before: undefined, draft: undefined, view: undefined,
      };
    },
    beginMutations() {
      review.before = stringify(review.request.object);
    },
    end() {
      review = undefined;
      denials = undefined;
      warnings = undefined;
      audits = undefined;
      requeued = undefined;
      edited = undefined;
    },

    // After `validate` returned (or its promise was fulfilled) with `value`.
    validated(value) {
      if (value !== undefined && isReconciling) throw new TypeError(`reconcile returned ${typeof value}: it must return nothing`);
      if (value !== undefined) throw new TypeError(`validate returned ${typeof value}: call deny(), it must return nothing`);
      return recorded();
    },
    // The same for `mutate`: the texts before and after where they differ. `commit` is false for a policy whose
    // changes are not to be applied.
    mutated(value, commit) {
      if (value !== undefined) {
        throw new TypeError(`mutate returned ${typeof value}: edit \`object\` in place, it must return nothing`);
      }
      putBack();
      const { before } = review;
      const after = stringify(review.draft);
      review.draft = undefined;
      if (after === before) return [recorded(), undefined, undefined];
      // The change of a policy that also denies is not applied, so the next policy must not see it either.
      if (commit && denials === undefined) review.before = after;
      return [recorded(), before, after];
    },

    // Words for whatever was thrown, without a look at what its getters say beyond these two names.
    explain(thrown) {
      if (typeof thrown === "object" && thrown !== null) {
        const { name, message } = thrown;
        const mend = name === "EvalError" ? "; code from text needs `permissions: { codegen: true }`" : "";
        if (typeof message === "string") return typeof name === "string" ? `${name}: ${message}${mend}` : message;
        return `an object was thrown: ${stringify(thrown)}`;
      }
      return String(thrown);
    },
  });
})
);
