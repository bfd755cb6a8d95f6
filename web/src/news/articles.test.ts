// @vitest-environment happy-dom
import { describe, expect, test } from "vitest";
import { type Article, unseen } from "./articles";

function article(id: string, minute: number): Article {
  return {
    id,
    title: id,
    source: "chain-observer",
    url: `https://chain-observer.example/${id}`,
    published_at: `2026-11-22T12:${String(minute).padStart(2, "0")}:00.000Z`,
    assets: ["BTC"],
    sentiment: { score: 0, label: "neutral" },
  };
}

const ids = (articles: Article[]) => articles.map(({ id }) => id);

describe("articles that have come since", () => {
  const shown = [article("c", 30), article("b", 20), article("a", 10)];

  test("are those that the list has not, each once", () => {
    const arrived = [article("c", 30), article("d", 31), article("d", 31)];
    expect(ids(unseen(arrived, shown, false))).toEqual(["d"]);
  });

  test("may have been published before the newest that is shown", () => {
    expect(ids(unseen([article("late", 15)], shown, false))).toEqual(["late"]);
  });

  test("are not older than the part that is shown, unless that is all", () => {
    const arrived = [article("old", 5)];
    expect(unseen(arrived, shown, false)).toEqual([]);
    expect(ids(unseen(arrived, shown, true))).toEqual(["old"]);
  });

  test("are all of them where there was nothing", () => {
    expect(ids(unseen([article("first", 1)], [], true))).toEqual(["first"]);
  });
});
