// @vitest-environment happy-dom
import { afterEach, expect, test, vi } from "vitest";
import { api, body } from "./client";
import { Problem } from "./problem";
import { session } from "./session";

function answering(response: Response): Request[] {
  const sent: Request[] = [];
  vi.stubGlobal("fetch", async (request: Request) => {
    sent.push(request);
    return response;
  });
  return sent;
}

afterEach(() => vi.restoreAllMocks());

test("public reads go without a token, so that all share their cache", async () => {
  const token = vi.spyOn(session, "accessToken");
  const sent = answering(Response.json({ items: [], next_cursor: null }));
  expect(
    await body(api.GET("/prices", { params: { query: { symbols: "BTC-USD", sparkline: true } } })),
  ).toEqual({
    items: [],
    next_cursor: null,
  });
  expect(sent[0]?.url).toBe("http://localhost/api/prices?symbols=BTC-USD&sparkline=true");
  expect(sent[0]?.headers.has("authorization")).toBe(false);
  expect(token).not.toHaveBeenCalled();
});

test("what belongs to the user goes with one", async () => {
  vi.spyOn(session, "accessToken").mockResolvedValue("a.b.c");
  const sent = answering(Response.json({ items: [], next_cursor: null }));
  await api.GET("/portfolios");
  expect(sent[0]?.headers.get("authorization")).toBe("Bearer a.b.c");
});

test("a refusal is a Problem, with what is wrong by field", async () => {
  vi.spyOn(session, "accessToken").mockResolvedValue("a.b.c");
  const told = {
    title: "Unprocessable Content",
    status: 422,
    detail: "Not valid.",
    request_id: "r",
    errors: [{ field: "name", message: "Too long" }],
  };
  answering(Response.json(told, { status: 422, headers: { "content-type": "application/problem+json" } }));
  const refused = api.POST("/portfolios", { body: { name: "x" } });
  await expect(refused).rejects.toBeInstanceOf(Problem);
  await expect(refused).rejects.toMatchObject({
    status: 422,
    message: "Not valid.",
    fields: { name: "Too long" },
  });
});

test("a session that the server ended ends here", async () => {
  vi.spyOn(session, "accessToken").mockResolvedValue("a.b.c");
  const refused = vi.spyOn(session, "refused").mockImplementation(() => {});
  answering(Response.json({}, { status: 401 }));
  await expect(api.GET("/users/me")).rejects.toMatchObject({ status: 401 });
  expect(refused).toHaveBeenCalledExactlyOnceWith("a.b.c");
});

test("API Gateway's own refusal tells when to try again", async () => {
  answering(
    Response.json({ message: "Too Many Requests" }, { status: 429, headers: { "retry-after": "7" } }),
  );
  await expect(api.GET("/coins")).rejects.toMatchObject({
    status: 429,
    retryAfter: 7,
    message: "The server answered 429. Try again in a moment.",
  });
});

test("no connection is told in words", async () => {
  vi.stubGlobal("fetch", async () => {
    throw new TypeError("Failed to fetch");
  });
  await expect(api.GET("/coins")).rejects.toMatchObject({ status: 0 });
});
