/** Everything a policy may import from `@bylaw/sdk`. */

export { cidr, type Cidr, type CidrLike } from "./cidr.ts";
export { containers, type ContainerKind, type PodContainer } from "./containers.ts";
export type * from "./context.ts";
export { duration, type Duration, type DurationLike } from "./duration.ts";
export { image, type Image } from "./image.ts";
export {
  podSecurity,
  type CheckName,
  type Exemption,
  type Finding,
  type Level,
  type PodSecurityOptions,
  type PodSecurityRequest,
  type PodSecurityVersion,
} from "./pod-security/index.ts";
export {
  policy,
  type JsonSchema,
  type Match,
  type Permissions,
  type Policy,
  type PolicyDefinition,
  type PolicyMetadata,
} from "./policy.ts";
export { quantity, type Quantity, type QuantityLike } from "./quantity.ts";
export { selector, type Selector } from "./selector.ts";
export { semver, type Version, type VersionLike } from "./semver.ts";
export { sharedQuota, type SharedQuotaOptions } from "./shared-quota.ts";
