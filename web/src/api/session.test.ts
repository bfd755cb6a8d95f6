// @vitest-environment happy-dom
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";

type Answer = () => Response | Promise<Response>;

const PATIENCE = { timeout: 10_000 };
const calls: string[] = [];
const sent: RequestInit[] = [];
const answers = new Map<string, Answer>();

function json(body: object, status = 200): Response {
  return Response.json(body, { status });
}

function pair(token: string, seconds = 900): Response {
  return json({ access_token: token, token_type: "Bearer", expires_in: seconds });
}

async function newSession() {
  vi.resetModules();
  const { session } = await import("./session");
  return session;
}

beforeEach(() => {
  calls.length = sent.length = 0;
  answers.clear();
  localStorage.clear();
  let queue: Promise<unknown> = Promise.resolve();
  vi.stubGlobal("fetch", async (path: string, init: RequestInit) => {
    calls.push(path);
    sent.push(init);
    const answer = answers.get(path);
    if (!answer) throw new TypeError("Failed to fetch");
    return answer();
  });
  vi.stubGlobal("navigator", {
    locks: {
      request: (_name: string, act: () => Promise<unknown>) => {
        queue = queue.then(act, act);
        return queue;
      },
    },
  });
});

afterEach(() => vi.useRealTimers());

describe("a visitor", () => {
  test("who never signed in asks nothing", async () => {
    const session = await newSession();
    await session.restore();
    expect(session.status).toBe("anonymous");
    expect(await session.accessToken()).toBeNull();
    expect(calls).toEqual([]);
  });

  test("who comes back is signed in by the cookie", async () => {
    localStorage.setItem("cryptopulse.signed-in", "1");
    answers.set("/api/auth/refresh", () => pair("first"));
    const session = await newSession();
    expect(session.status).toBe("restoring");
    await session.restore();
    expect(session.status).toBe("signed-in");
    expect(await session.accessToken()).toBe("first");
    expect(calls).toEqual(["/api/auth/refresh"]);
  });

  test("whose cookie has ended is anonymous, for good", async () => {
    localStorage.setItem("cryptopulse.signed-in", "1");
    answers.set("/api/auth/refresh", () => json({ title: "Unauthorized", status: 401 }, 401));
    const session = await newSession();
    await session.restore();
    expect(session.status).toBe("anonymous");
    expect(localStorage.getItem("cryptopulse.signed-in")).toBeNull();
  });

  test("whose session cannot be asked for now is tried again, as soon as the server lets", async () => {
    vi.useFakeTimers();
    localStorage.setItem("cryptopulse.signed-in", "1");
    const busy = { status: 429, headers: { "retry-after": "3" } };
    answers.set("/api/auth/refresh", () => Response.json({}, busy));
    const session = await newSession();
    await session.restore();
    expect(session.status).toBe("anonymous");
    answers.set("/api/auth/refresh", () => pair("first"));
    await vi.advanceTimersByTimeAsync(2_999);
    expect(session.status).toBe("anonymous");
    await vi.advanceTimersByTimeAsync(1);
    expect(session.status).toBe("signed-in");
  });

  test("who left while the token was being spent waits for the next one", async () => {
    vi.useFakeTimers();
    localStorage.setItem("cryptopulse.signed-in", "1");
    let answer = (_: Response): void => undefined;
    answers.set("/api/auth/refresh", () => new Promise((resolve) => (answer = resolve)));
    void (await newSession()).restore();
    await vi.advanceTimersByTimeAsync(0);
    expect(sent[0]?.keepalive).toBe(true);

    vi.stubGlobal("navigator", { locks: { request: (_: string, act: () => unknown) => act() } }); // it went with the page
    const session = await newSession();
    const restored = session.restore();
    await vi.advanceTimersByTimeAsync(1_900);
    expect(calls).toHaveLength(1);
    answer(pair("first"));
    answers.set("/api/auth/refresh", () => pair("second"));
    await vi.advanceTimersByTimeAsync(100);
    await restored;
    expect(await session.accessToken()).toBe("second");
    expect(calls).toHaveLength(2);
  });

  test("who is offline keeps the mark for the next visit", async () => {
    localStorage.setItem("cryptopulse.signed-in", "1");
    const session = await newSession();
    await session.restore();
    expect(session.status).toBe("anonymous");
    expect(localStorage.getItem("cryptopulse.signed-in")).toBe("1");
  });
});

describe("a user", () => {
  test("signs in with the refresh token in a cookie", async () => {
    answers.set("/api/auth/login", () => pair("first"));
    const session = await newSession();
    const seen: string[] = [];
    session.subscribe(() => seen.push(session.status));
    await session.signIn("ann@example.com", "two otters and a kite");
    expect(seen).toEqual(["signed-in"]);
    expect(await session.accessToken()).toBe("first");
    expect(calls).toEqual(["/api/auth/login"]);
  });

  test("is told why not", async () => {
    answers.set("/api/auth/login", () =>
      Response.json(
        { title: "Unauthorized", status: 401, detail: "Wrong e-mail or password." },
        { status: 401, headers: { "content-type": "application/problem+json" } },
      ),
    );
    const session = await newSession();
    await expect(session.signIn("ann@example.com", "x")).rejects.toMatchObject({
      status: 401,
      message: "Wrong e-mail or password.",
    });
    expect(session.status).toBe("anonymous");
  });

  test("has the token renewed before it ends, once for all who ask", async () => {
    vi.useFakeTimers({ now: 0 });
    answers.set("/api/auth/login", () => pair("first", 60));
    answers.set("/api/auth/refresh", () => pair("second", 60));
    const session = await newSession();
    await session.signIn("ann@example.com", "two otters and a kite");
    vi.setSystemTime(29_000);
    expect(await session.accessToken()).toBe("first");
    vi.setSystemTime(31_000);
    expect(await Promise.all([session.accessToken(), session.accessToken()])).toEqual(["second", "second"]);
    expect(calls).toEqual(["/api/auth/login", "/api/auth/refresh"]);
  });

  test("in whose place somebody signs in in another tab is forgotten first", async () => {
    answers.set("/api/auth/login", () => pair("ann's"));
    answers.set("/api/auth/refresh", () => pair("bob's"));
    const session = await newSession();
    await session.signIn("ann@example.com", "two otters and a kite");
    const seen: string[] = [];
    session.subscribe(() => seen.push(session.status));
    const tab = new BroadcastChannel("cryptopulse.session");
    tab.postMessage("started");
    await vi.waitFor(() => expect(seen).toEqual(["restoring", "signed-in"]), PATIENCE);
    tab.close();
    expect(await session.accessToken()).toBe("bob's");
  });

  test("who signs out is forgotten, also when the session had ended already", async () => {
    answers.set("/api/auth/login", () => pair("first"));
    answers.set("/api/auth/logout", () => json({}, 401));
    const session = await newSession();
    await session.signIn("ann@example.com", "two otters and a kite");
    await session.signOut();
    expect(session.status).toBe("anonymous");
    expect(await session.accessToken()).toBeNull();
  });

  test("who could not sign out is told, and stays signed in", async () => {
    answers.set("/api/auth/login", () => pair("first"));
    const session = await newSession();
    await session.signIn("ann@example.com", "two otters and a kite");
    await expect(session.signOut()).rejects.toMatchObject({ status: 0 });
    expect(session.status).toBe("signed-in");
  });
});

describe("a session that the server ended", () => {
  test("is told of, until somebody signs in again", async () => {
    answers.set("/api/auth/login", () => pair("first"));
    const session = await newSession();
    await session.signIn("ann@example.com", "two otters and a kite");
    session.expire();
    expect([session.status, session.hasExpired]).toEqual(["anonymous", true]);
    await session.signIn("ann@example.com", "two otters and a kite");
    expect(session.hasExpired).toBe(false);
  });

  test("is the one whose token is refused, not the one that came after it", async () => {
    answers.set("/api/auth/login", () => pair("first"));
    const session = await newSession();
    await session.signIn("ann@example.com", "two otters and a kite");
    session.refused("first");
    expect(session.hasExpired).toBe(true);
    answers.set("/api/auth/login", () => pair("second"));
    await session.signIn("ann@example.com", "two otters and a kite");
    session.refused("first"); // a call that was answered late
    expect([session.status, session.hasExpired]).toEqual(["signed-in", false]);
  });

  test("is told of in the other tabs", async () => {
    answers.set("/api/auth/login", () => pair("first"));
    const session = await newSession();
    await session.signIn("ann@example.com", "two otters and a kite");
    const tab = new BroadcastChannel("cryptopulse.session");
    tab.postMessage("expired");
    await vi.waitFor(() => expect(session.status).toBe("anonymous"), PATIENCE);
    tab.close();
    expect(session.hasExpired).toBe(true);
  });

  test("is not what its user has ended, whatever is still under way", async () => {
    answers.set("/api/auth/login", () => pair("first"));
    answers.set("/api/auth/logout", () => new Response(null, { status: 204 }));
    const session = await newSession();
    await session.signIn("ann@example.com", "two otters and a kite");
    await session.signOut();
    session.expire(); // a call that was answered late
    expect(session.hasExpired).toBe(false);
  });
});

test("who blocks storage, and locks with it, signs in all the same", async () => {
  vi.stubGlobal("localStorage", undefined);
  const denied = new DOMException("denied", "SecurityError");
  vi.stubGlobal("navigator", { locks: { request: () => Promise.reject(denied) } });
  answers.set("/api/auth/login", () => pair("first"));
  const session = await newSession();
  await session.restore();
  await session.signIn("ann@example.com", "two otters and a kite");
  expect(await session.accessToken()).toBe("first");
});
