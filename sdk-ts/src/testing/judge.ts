/**
 * Judges a case as the engine would: mutating policies one after another, then the validating ones on what came of it.
 * The context, the record and the draft are the engine's own code (`engine.ts`).
 */

import type { KubernetesObject, Request } from "../context.ts";
import type { Policy, PolicyMetadata } from "../policy.ts";
import type { Case, Outcome, Write } from "./case.ts";
import { clock } from "./clock.ts";
import { deniesAlone, merge, type Verdict } from "./decision.ts";
import { around } from "./engine-quota.ts";
import { engine } from "./engine.ts";
import { copy, deepEqual } from "./json.ts";
import { hostOf, type Host } from "./host.ts";
import { matches, MatchingError } from "./matching.ts";
import { parametersOf } from "./parameters.ts";
import { requestOf } from "./request.ts";
import type { Denial, Engine, Requeue } from "./runtime.ts";
import { selector } from "../selector.ts";
import { worldOf, type World } from "./world.ts";

/** A policy of any object and parameters. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- its handlers take what the case gives
export type AnyPolicy = Policy<any, any>;

/** What a policy module exports, or the module itself. */
export type Policies = AnyPolicy | readonly AnyPolicy[] | { readonly default: AnyPolicy | readonly AnyPolicy[] };

type Phase = "validate" | "mutate";

const NO_TENANT = Object.freeze({
  kind: "none",
  trusted: false,
  name: "",
  namespace: "",
  labels: Object.freeze({}),
  parameters: Object.freeze({}),
});

/** The time of a policy that does not say how long it may take. */
const TIMEOUT_SECONDS = 10;

/**
 * Judges a case. Policies that do not match are not asked, as in a cluster: `matched` of the outcome tells.
 *
 * @throws TypeError where the case or the parameters are not what the engine would take.
 */
export async function judge(policies: Policies, one: Case): Promise<Outcome> {
  const trial = new Trial(policiesOf(policies), one);
  try {
    return await trial.run();
  } finally {
    trial.end();
  }
}

/** What a controller did with an object. */
export interface Reconciled {
  writes: Write[];
  logs: string[];
  /** What it said is wrong with the object. */
  denials: string[];
  /** When it asked to see the object again: after so many seconds, or soon where it does not say. */
  requeue?: { after?: number; message: string };
  /** Where it failed, why: in a cluster it would be asked again. */
  error?: string;
}

/**
 * Lets a controller see an object as it is now, or that it is gone: then the case has none, and `oldObject` is how it last
 * was. Whatever `match` says, it is asked.
 */
export async function reconcile(policy: AnyPolicy, one: Case): Promise<Reconciled> {
  if (policy.reconcile === undefined) throw new TypeError("reconcile: the policy has no `reconcile`");
  const trial = new Trial([policy], { ...one, object: one.object ?? one.oldObject ?? NOTHING, oldObject: null });
  try {
    return await trial.reconcile(policy, one);
  } finally {
    trial.end();
  }
}

/** Stands for an object that is gone: a request is about something. */
const NOTHING = Object.freeze({ apiVersion: "v1", kind: "Nothing", metadata: Object.freeze({ name: "gone" }) });

function policiesOf(given: Policies): AnyPolicy[] {
  const exported = "default" in given ? given.default : given;
  const policies: AnyPolicy[] = [exported].flat();
  if (
    policies.some(
      (policy) => policy.validate === undefined && policy.mutate === undefined && policy.reconcile === undefined,
    )
  ) {
    throw new TypeError("judge: expects policy({…}), an array of them, or a module that exports one");
  }
  return policies;
}

/** One case, with all that a run of it needs. */
class Trial {
  readonly #policies: readonly AnyPolicy[];
  readonly #case: Case;
  readonly #world: World;
  readonly #host: Host;
  readonly #engine: Engine;
  readonly #clock = clock();
  readonly #logs: string[] = [];
  readonly #matched: string[] = [];
  readonly #now: number;
  #request: Request;
  #asksAll = false;

  constructor(policies: readonly AnyPolicy[], one: Case) {
    this.#policies = policies;
    this.#case = one;
    this.#world = worldOf(one);
    this.#host = hostOf(one, this.#world);
    this.#engine = engine({ log: (...values) => this.#logs.push(values.map(shown).join(" ")) })(
      this.#host,
      around(this.#host, this.#clock),
    );
    this.#now = one.now === undefined ? Date.now() : new Date(one.now).getTime();
    if (Number.isNaN(this.#now)) throw new TypeError(`case: now: ${JSON.stringify(one.now)} is not a time`);
    this.#request = requestOf(one);
  }

  /** `whatever` the policies match. */
  async run(whatever = false): Promise<Outcome> {
    this.#asksAll = whatever;
    const asked = copy(this.#request.object);
    const { verdicts, isLost } = await this.#mutate();
    const validated = isLost ? [] : await this.#validate();
    const all = [...verdicts, ...validated];
    const decision = merge(all);
    const object = decision.allowed ? this.#request.object : asked;
    return {
      ...decision,
      fields: decision.causes.flatMap(({ field }) => (field === undefined ? [] : [field])),
      object,
      changed: !deepEqual(asked, object),
      matched: this.#matched,
      errors: all.flatMap(({ policy, error }) =>
        error === undefined ? [] : [{ policy: policy.name ?? "", message: error.message }],
      ),
      writes: this.#host.writes,
      logs: this.#logs,
    };
  }

  /** Lets one controller see the object of the case; where it has none, that it is gone. */
  async reconcile(policy: AnyPolicy, { object, oldObject }: Case): Promise<Reconciled> {
    const now = copy((object ?? null) as KubernetesObject | null);
    const last = copy((oldObject ?? null) as KubernetesObject | null);
    const namespace = (now ?? last)?.metadata?.namespace;
    const stays = now !== null && now.metadata?.deletionTimestamp === undefined;
    this.#request = {
      ...this.#request,
      namespace: namespace ?? "",
      operation: stays ? "CREATE" : "DELETE",
      object: now,
      oldObject: now === null ? last : null,
    };
    const { verdict } = await this.#ask(policy, "validate");
    const { after, message = "" } = verdict.requeue ?? {};
    const requeue = { message, ...(after === undefined ? {} : { after: after / 1_000 }) };
    return {
      writes: this.#host.writes,
      logs: this.#logs,
      denials: verdict.denials.map((denial) => denial.message),
      ...(verdict.requeue === undefined ? {} : { requeue }),
      ...(verdict.error === undefined ? {} : { error: verdict.error.message }),
    };
  }

  end(): void {
    this.#clock.end();
    this.#engine.end();
  }

  /** By priority, then by name, each on what the last one left; what denies ends it. */
  async #mutate(): Promise<{ verdicts: Verdict[]; isLost: boolean }> {
    const mutating = this.#asked("mutate").sort((a, b) => priority(a.policy) - priority(b.policy) || byName(a, b));
    const verdicts = mutating.flatMap(({ failed }) => failed ?? []);
    if (verdicts.some(deniesAlone)) return { verdicts, isLost: true };
    for (const { policy } of mutating.filter(({ failed }) => failed === undefined)) {
      const { verdict, changed } = await this.#ask(policy, "mutate");
      verdicts.push(verdict);
      if (changed !== undefined && policy.enforcement !== "Dry" && verdict.denials.length === 0) {
        this.#request = { ...this.#request, object: changed };
      }
      if (deniesAlone(verdict)) return { verdicts, isLost: true };
    }
    return { verdicts, isLost: false };
  }

  async #validate(): Promise<Verdict[]> {
    const verdicts: Verdict[] = [];
    for (const { policy, failed } of this.#asked("validate").sort(byName)) {
      verdicts.push(failed ?? (await this.#ask(policy, "validate")).verdict);
    }
    return verdicts;
  }

  /** The policies that want to see the request, and those of which that cannot be told. */
  #asked(phase: Phase): { policy: AnyPolicy; failed?: Verdict }[] {
    return this.#policies.flatMap((policy) => {
      if (policy[phase] === undefined) return [];
      try {
        const isWanted =
          this.#asksAll ||
          (vantageFits(policy, this.#case) &&
            tenantFits(policy, this.#case) &&
            matches(policy as PolicyMetadata, this.#request, this.#world, this.#case.conditions));
        return isWanted ? [{ policy }] : [];
      } catch (error) {
        if (!(error instanceof MatchingError)) throw error;
        return [{ policy, failed: failure(policy, "matching", error.message) }];
      }
    });
  }

  async #ask(policy: AnyPolicy, phase: Phase): Promise<{ verdict: Verdict; changed?: KubernetesObject }> {
    const { name = "" } = policy;
    const metadata = policy as PolicyMetadata;
    this.#matched.push(name);
    const parameters = JSON.stringify(parametersOf(metadata, this.#case.parameters));
    this.#begin();
    this.#host.serve(metadata, this.#request.dryRun === true);
    const loaded = this.#engine.load({ default: policy }, 0, policy.match?.workloads === true, parameters, name);
    if (phase === "mutate") this.#engine.beginMutations();
    try {
      const value = await within(policy, async () => await loaded[phase]());
      if (phase === "validate") return { verdict: recorded(policy, this.#engine.validated(value)) };
      const [said, before, after] = this.#engine.mutated(value, policy.enforcement !== "Dry");
      const verdict = recorded(policy, said);
      if (before === undefined || after === undefined) return { verdict };
      return { verdict, changed: JSON.parse(after) as KubernetesObject };
    } catch (thrown) {
      return { verdict: failure(policy, "exception", this.#engine.explain(thrown)) };
    } finally {
      this.#clock.end();
    }
  }

  /** The engine freezes what it is given, so each policy gets the request anew. */
  #begin(): void {
    const one = this.#case;
    const { namespace: name = "" } = this.#request;
    const namespace = name === "" ? null : { name, labels: this.#world.labelsOf(name) };
    const isVirtual = one.vantage === "virtual";
    const tenant = JSON.stringify({ ...NO_TENANT, ...one.tenant });
    this.#engine.begin(copy(this.#request), JSON.stringify(namespace), tenant, isVirtual, this.#now);
  }
}

function priority(policy: AnyPolicy): number {
  return policy.priority ?? 0;
}

function byName(a: { policy: AnyPolicy }, b: { policy: AnyPolicy }): number {
  const [one = "", other = ""] = [a.policy.name, b.policy.name];
  return one < other ? -1 : one > other ? 1 : 0;
}

function vantageFits(policy: AnyPolicy, one: Case): boolean {
  const wanted = policy.match?.vantage;
  return wanted === undefined || wanted === "both" || wanted === (one.vantage ?? "host");
}

/** A tenant goes by its name, that of its virtual cluster with the namespace or without, and its owner's. */
function tenantFits(policy: AnyPolicy, one: Case): boolean {
  const wanted = policy.match?.tenants;
  if (wanted === undefined) return true;
  const { kind, name, vcluster, owner, labels } = {
    ...NO_TENANT,
    vcluster: undefined,
    owner: undefined,
    ...one.tenant,
  };
  if (!isNames(wanted)) return kind !== "none" && selector(wanted).matches(labels);
  const place = vcluster === undefined ? undefined : `${vcluster.namespace}/${vcluster.name}`;
  return [name, place, vcluster?.name, owner].some(
    (known) => known !== undefined && known !== "" && wanted.includes(known),
  );
}

function isNames(wanted: readonly string[] | object): wanted is readonly string[] {
  return Array.isArray(wanted);
}

/** Ends a handler that waits for too long; one that computes without end is for the test runner to end. */
async function within<T>(policy: AnyPolicy, work: () => Promise<T>): Promise<T> {
  const timers = globalThis as unknown as {
    setTimeout: (run: () => void, millis: number) => unknown;
    clearTimeout: (timer: unknown) => void;
  };
  const seconds = policy.timeoutSeconds ?? TIMEOUT_SECONDS;
  let timer: unknown;
  const late = new Promise<never>((_, reject) => {
    timer = timers.setTimeout(() => {
      reject(new Error(`took longer than ${String(seconds)} s`));
    }, seconds * 1_000);
  });
  try {
    return await Promise.race([work(), late]);
  } finally {
    timers.clearTimeout(timer);
  }
}

function recorded(policy: AnyPolicy, text: string | undefined): Verdict {
  type Said = [Denial[], string[], [string, string][], Requeue | null];
  const said = text === undefined ? undefined : (JSON.parse(text) as Said);
  const [denials = [], warnings = [], audits = [], requeue = null] = said ?? [];
  return { policy: policy as PolicyMetadata, denials, warnings, audits, ...(requeue === null ? {} : { requeue }) };
}

function failure(policy: AnyPolicy, cause: string, message: string): Verdict {
  return { policy: policy as PolicyMetadata, denials: [], warnings: [], audits: [], error: { cause, message } };
}

function shown(value: unknown): string {
  if (typeof value === "string") return value;
  if (value instanceof Error) return `${value.name}: ${value.message}`;
  try {
    return value === undefined ? "undefined" : JSON.stringify(value);
  } catch {
    return typeof value === "bigint" ? `${String(value)}n` : `[${typeof value}]`;
  }
}
