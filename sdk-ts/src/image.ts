/** Image references, taken apart as container runtimes do it (github.com/distribution/reference, normalised form). */

export class Image {
  // One realm serves many policies: none may change what another one calls.
  static {
    Object.freeze(this.prototype);
    Object.freeze(this);
  }

  /** Host and port, `docker.io` where the reference has none. */
  readonly registry: string;
  /** Without the registry; `library/nginx` for `nginx`. */
  readonly repository: string;
  readonly tag: string | undefined;
  /** `sha256:…` */
  readonly digest: string | undefined;

  /** Use {@link image}. */
  constructor(registry: string, repository: string, tag: string | undefined, digest: string | undefined) {
    this.registry = registry;
    this.repository = repository;
    this.tag = tag;
    this.digest = digest;
    Object.freeze(this);
  }

  /** The whole reference, nothing left out: `docker.io/library/nginx:1.29`. */
  toString(): string {
    const tag = this.tag === undefined ? "" : `:${this.tag}`;
    const digest = this.digest === undefined ? "" : `@${this.digest}`;
    return `${this.registry}/${this.repository}${tag}${digest}`;
  }
}

const DEFAULT_REGISTRY = "docker.io";
const LEGACY_REGISTRY = "index.docker.io";

/** `registry/repository` may be this long. */
const MAX_NAME = 255;
const MAX_TAG = 128;
/** The longest hash (SHA-512) is 128 digits; nothing longer is looked at twice. */
const MAX_REFERENCE = 1024;

/**
 * Takes an image reference apart.
 *
 * A name of one part is Docker Hub's `library/…`; the first part is a registry only when it has a dot or a port, or is
 * `localhost`. No tag is made up: `image("nginx").tag` is `undefined`, though a runtime will pull `latest`.
 *
 * @throws TypeError when there is no reference, RangeError when it is not one.
 */
export function image(reference: string | undefined): Image {
  if (typeof reference !== "string" || reference === "") throw new TypeError("image: there is no reference");
  if (reference.length > MAX_REFERENCE) throw invalid(reference.slice(0, 64), "it is too long");

  if (/^[0-9a-f]{64}$/.test(reference)) throw invalid(reference, "it is an image ID, not a name");

  let rest = reference;
  let digest: string | undefined;
  const at = rest.indexOf("@");
  if (at >= 0) {
    digest = rest.slice(at + 1);
    rest = rest.slice(0, at);
    checkDigest(digest, reference);
  }
  let tag: string | undefined;
  const colon = rest.lastIndexOf(":");
  if (colon > rest.lastIndexOf("/")) {
    tag = rest.slice(colon + 1);
    rest = rest.slice(0, colon);
    checkTag(tag, reference);
  }
  const { registry, repository } = split(rest);
  checkRegistry(registry, reference);
  checkRepository(repository, reference);
  if (registry.length + 1 + repository.length > MAX_NAME) {
    throw invalid(reference, `its name is longer than ${String(MAX_NAME)} characters`);
  }
  return new Image(registry, repository, tag, digest);
}

/** Registry and repository of a name that has neither tag nor digest. */
export function split(name: string): { registry: string; repository: string } {
  const slash = name.indexOf("/");
  const first = slash < 0 ? "" : name.slice(0, slash);
  let registry = DEFAULT_REGISTRY;
  let repository = name;
  // A first part in upper case cannot be a repository, so it is a host.
  if (first !== "" && (/[.:]/.test(first) || first === "localhost" || first !== first.toLowerCase())) {
    registry = first === LEGACY_REGISTRY ? DEFAULT_REGISTRY : first;
    repository = name.slice(slash + 1);
  }
  if (registry === DEFAULT_REGISTRY && !repository.includes("/")) repository = `library/${repository}`;
  return { registry, repository };
}

function checkRegistry(registry: string, reference: string): void {
  const host = /^(?:\[[0-9a-fA-F:]+\]|[a-zA-Z0-9](?:[a-zA-Z0-9.-]*[a-zA-Z0-9])?)(?::[0-9]+)?$/;
  if (!host.test(registry) || registry.includes("..") || registry.includes(".-") || registry.includes("-.")) {
    throw invalid(reference, `"${registry}" is not a registry`);
  }
}

function checkRepository(repository: string, reference: string): void {
  if (repository !== repository.toLowerCase()) throw invalid(reference, "the repository must be lower case");
  for (const part of repository.split("/")) {
    if (!/^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/.test(part)) {
      throw invalid(reference, `"${part}" is not part of a repository's name`);
    }
  }
}

function checkTag(tag: string, reference: string): void {
  if (tag.length > MAX_TAG || !/^[A-Za-z0-9_][A-Za-z0-9_.-]*$/.test(tag))
    throw invalid(reference, "its tag is malformed");
}

function checkDigest(digest: string, reference: string): void {
  const [, algorithm, hex] =
    /^([A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*):([0-9a-fA-F]{32,})$/.exec(digest) ?? [];
  if (algorithm === undefined || hex === undefined) throw invalid(reference, "its digest is malformed");
  const digits = { sha256: 64, sha384: 96, sha512: 128 }[algorithm];
  if (digits === undefined) throw invalid(reference, `digest algorithm "${algorithm}" is not sha256, sha384 or sha512`);
  if (hex.length !== digits || hex !== hex.toLowerCase()) {
    throw invalid(reference, `a ${algorithm} digest has ${String(digits)} lower-case hexadecimal digits`);
  }
}

function invalid(reference: string, reason: string): RangeError {
  return new RangeError(`image: ${JSON.stringify(reference)} is not a valid reference: ${reason}`);
}
