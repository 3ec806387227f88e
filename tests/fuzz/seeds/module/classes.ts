abstract class A<T extends object = {}> { static #p = 1; declare q: T; @dec accessor z = 2; constructor(private readonly x?: number) {} static { this.#p++; } get [Symbol.iterator]() { return null!; } }
export type X<K> = K extends `a${infer R}` ? R : { [P in keyof K]-?: K[P] };
export { A as default };
function* g() { yield* [1n, 0x1f, 1_000, .5e-3]; }
export * from "./y.json";
export const lazy = () => import("./z");