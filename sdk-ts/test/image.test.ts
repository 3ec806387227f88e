import { describe, expect, it } from "vitest";
import { image } from "../src/index.ts";

const hex = "0123456789abcdef".repeat(4);

describe("image", () => {
  it.each([
    ["nginx", "docker.io", "library/nginx", undefined, undefined],
    ["nginx:1.29", "docker.io", "library/nginx", "1.29", undefined],
    ["user/app", "docker.io", "user/app", undefined, undefined],
    ["docker.io/nginx", "docker.io", "library/nginx", undefined, undefined],
    ["index.docker.io/nginx", "docker.io", "library/nginx", undefined, undefined],
    ["localhost/app", "localhost", "app", undefined, undefined],
    ["localhost:5000/app:v1", "localhost:5000", "app", "v1", undefined],
    ["registry:5000/app", "registry:5000", "app", undefined, undefined],
    ["registry.example.com/a/b/c:1", "registry.example.com", "a/b/c", "1", undefined],
    ["nginx:5000", "docker.io", "library/nginx", "5000", undefined],
    ["registry/app", "docker.io", "registry/app", undefined, undefined],
    [`nginx@sha256:${hex}`, "docker.io", "library/nginx", undefined, `sha256:${hex}`],
    [`host.io:1/a:t@sha256:${hex}`, "host.io:1", "a", "t", `sha256:${hex}`],
    [`a@sha512:${hex}${hex}`, "docker.io", "library/a", undefined, `sha512:${hex}${hex}`],
    ["[fd00::1]:5000/app", "[fd00::1]:5000", "app", undefined, undefined],
    ["a__b/c.d-e--f_g", "docker.io", "a__b/c.d-e--f_g", undefined, undefined],
    ["HOST/app", "HOST", "app", undefined, undefined],
  ])("takes %s apart", (reference, registry, repository, tag, digest) => {
    expect(image(reference)).toEqual(expect.objectContaining({ registry, repository, tag, digest }));
  });

  it("writes the whole reference", () => {
    expect(String(image("nginx"))).toBe("docker.io/library/nginx");
    expect(image(`a:b@sha256:${hex}`).toString()).toBe(`docker.io/library/a:b@sha256:${hex}`);
  });

  it.each([
    ["docker.io/User/app", "the repository must be lower case"],
    ["user/App", "the repository must be lower case"],
    ["nginx:", "its tag is malformed"],
    ["nginx:-x", "its tag is malformed"],
    [`nginx:${"a".repeat(129)}`, "its tag is malformed"],
    ["nginx@", "its digest is malformed"],
    ["nginx@sha256:abc", "its digest is malformed"],
    [`nginx@sha256:${hex}00`, "a sha256 digest has 64 lower-case hexadecimal digits"],
    [`nginx@sha256:${hex.toUpperCase()}`, "lower-case hexadecimal"],
    [`nginx@md5:${hex}`, 'digest algorithm "md5"'],
    [`nginx@sha256:${hex}@sha256:${hex}`, "its digest is malformed"],
    [hex, "it is an image ID"],
    ["a//b", '"" is not part'],
    ["/a", '"" is not part'],
    ["a/", '"" is not part'],
    ["a..b", '"a..b" is not part'],
    ["a___b", '"a___b" is not part'],
    ["-a", '"-a" is not part'],
    ["nginx ", "is not part"],
    ["http://example.com/a", "is not a registry"],
    ["host_name.io/a", '"host_name.io" is not a registry'],
    ["host..io/a", "is not a registry"],
    ["host.io:port/a", "is not a registry"],
    ["a".repeat(256), "its name is longer than 255"],
    ["a".repeat(5000), "it is too long"],
  ])("refuses %s", (reference, reason) => {
    expect(() => image(reference)).toThrow(RangeError);
    expect(() => image(reference)).toThrow(reason);
  });

  it.each([[undefined], [""], [null], [5]])("says that there is none: %j", (reference) => {
    expect(() => image(reference as string)).toThrow("image: there is no reference");
  });

  it("cannot be changed", () => {
    expect(Object.isFrozen(image("nginx"))).toBe(true);
  });
});
