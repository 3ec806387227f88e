// `quota` of module policies: points to objects and turns amounts into texts, so that what is counted is exact. The ledger
// itself is the host's. Made upon the clock, which it hands on.
(function (native, clock) {
  "use strict";
  const { parse } = JSON;
  const { entries, freeze, fromEntries } = Object;
  const isArray = Array.isArray;

  const amountsOf = (given, what) => {
    if (typeof given !== "object" || given === null || isArray(given)) throw new TypeError(`${what}: expects amounts by resource`);
    return fromEntries(entries(given).map(([resource, amount]) => [resource, String(amount)]));
  };
  const listOf = (given, what) => {
    if (isArray(given)) return given;
    throw new TypeError(`${what}: expects an array`);
  };
  const pointTo = (object) => {
    const { apiVersion, kind, metadata } = object ?? {};
    const { namespace, name, uid, resourceVersion } = metadata ?? {};
    return {
      apiVersion: String(apiVersion ?? ""), kind: String(kind ?? ""), namespace: String(namespace ?? ""),
      name: String(name ?? ""), uid: String(uid ?? ""), resourceVersion: String(resourceVersion ?? ""),
    };
  };
  // The object of the request, as the API server calls its kind.
  const pointToOwn = ({ kind: { group, version, kind }, name, object, oldObject }) => {
    const own = pointTo(object ?? oldObject);
    return { ...own, apiVersion: group ? `${group}/${version}` : version, kind, name: own.name || String(name ?? "") };
  };

  // Of the object as it is before the request.
  const versionOf = ({ operation, oldObject }) =>
    (operation === "CREATE" ? "0" : oldObject?.metadata?.resourceVersion);

  const quotaOf = ({ later, freezeDeep, text, reviewOf }) => {
    const ask = async (operation, what, { key, object, ttl }, rest) => {
      const { request } = reviewOf(what);
      const about = object === undefined
        ? { object: pointToOwn(request), over: versionOf(request) }
        : { object: pointTo(object) };
      const asked = { key: text(key, `${what}: key`), ...about, ...rest, ttl };
      return freezeDeep(parse(await later(operation, asked)));
    };
    return freeze({
      reserve: freeze(async (options) => {
        const what = "quota.reserve";
        const { tenant } = reviewOf(what);
        const { amounts, limits, used } = options ?? {};
        return ask("reserve", what, options ?? {}, {
          amounts: amountsOf(amounts, `${what}: amounts`),
          limits: amountsOf(limits ?? tenant?.quotas ?? {}, `${what}: limits`),
          used: listOf(used ?? [], `${what}: used`).map((one) => ({
            object: pointTo(one?.object), amounts: amountsOf(one?.amounts, `${what}: used`),
          })),
        });
      }),
      claim: freeze(async (options) => {
        const what = "quota.claim";
        const { names, owner, taken } = options ?? {};
        return ask("claim", what, options ?? {}, {
          names: listOf(names, `${what}: names`).map((name) => text(name, `${what}: names`)),
          owner: text(owner, `${what}: owner`),
          taken: listOf(taken ?? [], `${what}: taken`).map((one) => ({
            object: pointTo(one?.object), name: String(one?.name ?? ""), owner: String(one?.owner ?? ""),
          })),
        });
      }),
    });
  };
  return freeze({ ...clock, quotaOf });
})
