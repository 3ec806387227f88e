import { expect, test } from "vitest";
import { missing, wrong } from "./labels.ts";

test("an empty label is a missing one", () => {
  expect(missing({ team: "", owner: "a" }, ["team", "owner", "zone"])).toEqual(["team", "zone"]);
  expect(missing(undefined, ["team"])).toEqual(["team"]);
});

test("only capitals are wrong", () => {
  expect(wrong({ team: "Shop", zone: "eu-1" }, ["team", "zone", "owner"])).toEqual(["team"]);
});
