/** The shape of the engine's runtime (`engine.ts`), and of what it asks of its host. */

import type { KubernetesObject, Request } from "../context.ts";

/** What a host call gives: JSON text, `undefined`, or a pair of reason and message to throw. */
export type HostAnswer = string | undefined | readonly [reason: string, message: string];

export interface Native {
  readonly call: (operation: string, request: string) => HostAnswer;
  readonly start: (operation: string, request: string) => Promise<HostAnswer>;
  /** A policy has recorded something. */
  readonly said: () => void;
}

export interface EngineClock {
  readonly Date: DateConstructor;
  readonly begin: (millis: number, uid: string, policy: string) => void;
}

export interface Module {
  readonly default: unknown;
}

/** One policy made ready. */
export interface Loaded {
  validate(): unknown;
  mutate(): unknown;
}

export interface Engine {
  load(module: Module, entry: number, workloads: boolean, parameters: string, policy: string): Loaded;
  begin(
    request: Request,
    namespace: string | undefined,
    tenant: string | undefined,
    isVirtual: boolean,
    now: number,
  ): void;
  beginMutations(): void;
  end(): void;
  /** JSON of `[denials, warnings, audits, requeue]`, or `undefined` for nothing at all. */
  validated(value: unknown): string | undefined;
  mutated(value: unknown, commit: boolean): [recorded?: string, before?: string, after?: string];
  explain(thrown: unknown): string;
}

export type Runtime = (console: {
  log: (...values: unknown[]) => void;
}) => (native: Native, around: EngineAround) => Engine;

/** What the runtime is made upon: the clock, and what policies ask the ledger with. */
export interface EngineAround extends EngineClock {
  readonly quotaOf: unknown;
}

export type Around = (native: Native, clock: EngineClock) => EngineAround;

/** What the engine says of a denial. */
export interface Denial {
  message: string;
  field?: string;
  reason?: string;
  code?: number;
}

/** What a controller asks for; milliseconds. */
export interface Requeue {
  after?: number;
  message: string;
}

export type AnyObject = KubernetesObject;
