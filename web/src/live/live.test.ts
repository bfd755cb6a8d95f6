// @vitest-environment happy-dom
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { alert, article, at, candle, NOON, pass, peer, peers, stubWorld, tick, worth } from "./fakeServer";
import type { Article, Candle, FiredAlert } from "./frames";
import { Live } from "./live";

const GRACE = 2_000;

let live: Live;
const onSessionEnded = vi.fn();

beforeEach(() => {
  stubWorld();
  onSessionEnded.mockReset();
  live = new Live();
  live.start({ url: "wss://host/ws", ticket: async () => null, onSessionEnded });
});

afterEach(() => {
  live.stop();
  vi.useRealTimers();
});

const ticks = (symbols: string[], intervalMs = 1000, venue?: string) =>
  live.watch({ channel: "ticks", symbols, venue, intervalMs });

function candles(interval = "1m", venue?: string): [told: Candle[], stop: () => void] {
  const told: Candle[] = [];
  const tell = (more: Candle[]) => void told.push(...more);
  return [told, live.watch({ channel: "candles", symbol: "BTC-USD", interval, venue, tell })];
}

function news(assets: string[] | null): [told: string[], stop: () => void] {
  const told: string[] = [];
  const tell = (more: Article[]) => void told.push(...more.map(({ id }) => id));
  return [told, live.watch({ channel: "news", assets, tell })];
}

function alerts(): [told: string[], stop: () => void] {
  const told: string[] = [];
  const tell = (more: FiredAlert[]) => void told.push(...more.map(({ id }) => id));
  return [told, live.watch({ channel: "alerts", tell })];
}

async function connected(isSignedIn = false): Promise<void> {
  live.identify(isSignedIn);
  await pass();
  peer().accept();
  await peer().grant();
}

async function reconnected(): Promise<void> {
  peer().vanish();
  await pass(2000);
  peer().accept();
  await peer().grant();
}

let seq = 0;
beforeEach(() => {
  seq = 0;
});
const frame = (...ticks: object[]) => peer().say({ type: "ticks", seq: ++seq, time: at(0), ticks });
const snapshot = (channel: string, listed: string, values: object[]) =>
  peer().say({ type: "snapshot", channel, [listed]: values });

describe("interests", () => {
  it("joins those of one moment, and of many components", async () => {
    for (const symbol of ["A", "B", "C"]) ticks([symbol]);
    ticks(["B", "D"], 500);
    await connected();
    expect(peer().asked("subscribe")).toEqual([
      { channel: "ticks", symbols: ["A", "B", "C", "D"], interval_ms: 500 },
    ]);
  });

  it("keeps what somebody wants, and the rest for a moment more", async () => {
    const [first, second] = [ticks(["A", "B"]), ticks(["B", "C"])];
    await connected();
    first();
    first();
    await pass(GRACE - 100);
    expect(peer().asked("unsubscribe")).toEqual([]);
    const again = ticks(["A"]);
    await pass(10 * GRACE);
    expect(peer().asked("unsubscribe")).toEqual([]);
    again();
    second();
    await pass(GRACE);
    await peer().grant();
    expect(peer().asked("unsubscribe")).toEqual([{ channel: "ticks", symbols: ["A", "B", "C"] }]);
    expect(peer().asked("subscribe")).toHaveLength(1);
  });

  it("gives the last one its venue, and the first one its own back", async () => {
    ticks(["A"]);
    await connected();
    const stop = ticks(["A"], 1000, "binance");
    await peer().grant();
    stop();
    await peer().grant();
    expect(
      peer()
        .asked("subscribe")
        .map(({ venue }) => venue),
    ).toEqual([undefined, "binance", undefined]);
  });

  it("connects to nobody before it is known who is there", async () => {
    ticks(["A"]);
    await pass(60_000);
    expect(peers).toHaveLength(0);
    await connected();
    expect(peers).toHaveLength(1);
  });
});

describe("prices", () => {
  it("keeps the newest time, over reconnections too (rule 2)", async () => {
    ticks(["BTC-USD"]);
    await connected();
    snapshot("ticks", "ticks", [tick(5, 1)]);
    frame(tick(4, 2));
    expect(live.tick("BTC-USD")?.price).toBe(1);
    frame(tick(5, 3)); // a repeat
    expect(live.tick("BTC-USD")?.price).toBe(3);
    await reconnected();
    snapshot("ticks", "ticks", [tick(4, 4)]);
    expect(live.tick("BTC-USD")?.price).toBe(3);
    frame({ ...tick(0, 5), time: "2026-11-22T12:00:05.0005Z" });
    expect(live.tick("BTC-USD")?.price).toBe(5);
  });

  it("never mixes venues", async () => {
    ticks(["BTC-USD"]);
    await connected();
    snapshot("ticks", "ticks", [tick(1, 1)]);
    const stop = ticks(["BTC-USD"], 1000, "binance");
    await peer().grant();
    snapshot("ticks", "ticks", [tick(2, 2, "BTC-USD", "binance")]);
    expect(live.tick("BTC-USD")?.price).toBe(1);
    expect(live.tick("BTC-USD", "binance")?.price).toBe(2);
    stop();
    await pass(GRACE);
    await peer().grant();
    frame(tick(3, 3, "BTC-USD", "binance")); // it was on its way
    expect(live.tick("BTC-USD")?.price).toBe(1);
    snapshot("ticks", "ticks", [tick(3, 4)]);
    expect(live.tick("BTC-USD")?.price).toBe(4);
  });

  it("learns the venue from a change where there was no price yet", async () => {
    ticks(["BTC-USD"]);
    await connected();
    snapshot("ticks", "ticks", []);
    frame(tick(1, 1));
    expect(live.tick("BTC-USD")?.venue).toBe("coinbase");
  });

  it("tells who shows it once a frame of the screen", async () => {
    ticks(["BTC-USD", "ETH-USD"]);
    const [btc, eth] = [vi.fn(), vi.fn()];
    live.onTick("BTC-USD", btc);
    const stop = live.onTick("ETH-USD", eth);
    await connected();
    for (let second = 0; second < 50; second++) frame(tick(second, second));
    expect(btc).not.toHaveBeenCalled();
    await pass(20);
    expect(btc).toHaveBeenCalledOnce();
    expect(eth).not.toHaveBeenCalled();
    frame(tick(60, 1), tick(60, 1, "ETH-USD"));
    stop();
    await pass(20);
    expect(btc).toHaveBeenCalledTimes(2);
    expect(eth).not.toHaveBeenCalled();
    frame(tick(70, 1, "ETH-USD"));
    await pass(20);
    expect(btc).toHaveBeenCalledTimes(2);
  });
});

describe("candles", () => {
  const seen = (told: Candle[]) =>
    told.map(({ time, close, closed }) => [(time - NOON) / 60_000, close, closed]);

  it("neither go back nor reopen, and a repaired one counts (rule 3)", async () => {
    const [told] = candles();
    await connected();
    peer().say({
      type: "candles",
      seq: 1,
      candles: [
        candle(7, 2, true),
        candle(7, 1),
        candle(6, 1),
        candle(6, 3, true),
        candle(8, 1),
        candle(8, 2),
      ],
    });
    expect(seen(told)).toEqual([
      [7, 2, true],
      [6, 3, true],
      [8, 1, false],
      [8, 2, false],
    ]);
  });

  it("are asked for with the last five, and again for who comes later", async () => {
    const [first] = candles("5m", "coinbase");
    await connected();
    snapshot("candles", "candles", [candle(5, 1, false, "5m")]);
    await pass(5000);
    const [second] = candles("5m", "coinbase");
    await peer().grant(NOON + 5_000);
    snapshot("candles", "candles", [candle(0, 1, true, "5m"), candle(5, 2, false, "5m"), candle(5, 2)]);
    expect(
      peer()
        .asked("subscribe")
        .map(({ since }) => since),
    ).toEqual([NOON - 25 * 60_000, NOON - 25 * 60_000]);
    expect(seen(second)).toEqual([
      [0, 1, true],
      [5, 2, false],
    ]);
    expect(first).toHaveLength(3);
  });

  it("are told to nobody who has left", async () => {
    const [told, stop] = candles();
    await connected();
    stop();
    snapshot("candles", "candles", [candle(0, 1)]);
    expect(told).toEqual([]);
  });
});

describe("news and alerts", () => {
  it("are told once to each, of the assets that it wants (rule 4)", async () => {
    const [btc] = news(["BTC"]);
    await connected();
    snapshot("news", "articles", [article("1")]);
    await pass(1000);
    const [eth] = news(["ETH"]);
    const [all, stop] = news(null);
    await peer().grant();
    expect(
      peer()
        .asked("subscribe")
        .map(({ assets }) => assets),
    ).toEqual([["BTC"], undefined]);
    snapshot("news", "articles", [article("1"), article("2", ["ETH", "BTC"]), article("3", [])]);
    peer().say({ type: "news", seq: 1, articles: [article("3", [])] });
    expect([btc, eth, all]).toEqual([["1", "2"], ["2"], ["1", "2", "3"]]);
    stop();
    await pass(GRACE);
    await peer().grant();
    expect(peer().asked("subscribe").at(-1)?.assets).toEqual(["BTC", "ETH"]);
  });

  it("are shown again to who wants the same later", async () => {
    const [first] = news(["BTC"]);
    await connected();
    snapshot("news", "articles", [article("1")]);
    await pass(1000);
    const [second] = news(["BTC"]);
    await peer().grant();
    expect(peer().asked("subscribe")).toHaveLength(2);
    snapshot("news", "articles", [article("1")]);
    expect([first, second]).toEqual([["1"], ["1"]]);
  });

  it("asks for alerts while somebody is signed in, those that fire from now on", async () => {
    const [told] = alerts();
    live.identify(false);
    await pass(1000);
    expect(peers).toHaveLength(0);
    await connected(true);
    expect(peer().asked("subscribe")).toEqual([{ channel: "alerts" }]);
    snapshot("alerts", "alerts", []);
    peer().say({ type: "alerts", seq: 1, alerts: [alert("1")] });
    peer().say({ type: "alerts", seq: 1, alerts: [alert("1")] });
    await reconnected();
    expect(peer().asked("subscribe")).toEqual([{ channel: "alerts", since: NOON - 120_000 }]);
    snapshot("alerts", "alerts", [alert("1"), alert("2")]);
    expect(told).toEqual(["1", "2"]);
  });
});

describe("who is there", () => {
  it("connects anew with what is public, and forgets what was private", async () => {
    ticks(["BTC-USD"]);
    live.watch({ channel: "portfolio", id: "p" });
    const listener = vi.fn();
    live.onWorth("p", listener);
    await connected(true);
    snapshot("portfolio", "portfolios", [worth(2, "10")]);
    peer().say({ type: "portfolio", seq: 1, portfolios: [worth(1, "9")] });
    expect(live.worth("p")?.value).toBe("10");
    await pass(20);
    await connected(false);
    expect(live.worth("p")).toBeUndefined();
    expect(listener).toHaveBeenCalledTimes(2);
    expect(peers.map(({ isLeft }) => isLeft)).toEqual([true, false]);
    expect(peer().asked("subscribe")).toEqual([
      { channel: "ticks", symbols: ["BTC-USD"], interval_ms: 1000 },
    ]);
  });

  it("tells that the session has ended", async () => {
    live.watch({ channel: "portfolio", id: "p" });
    await connected(true);
    peer().say({ type: "bye", reason: "session_ended" });
    expect(onSessionEnded).toHaveBeenCalledOnce();
  });
});

describe("status", () => {
  it("does not mention a connection that is back at once", async () => {
    const listener = vi.fn();
    live.onStatus(listener);
    ticks(["BTC-USD"]);
    await connected();
    snapshot("ticks", "ticks", [tick(0, 1)]);
    await pass(100);
    expect(live.status).toBe("live");
    listener.mockReset();
    peer().say({ type: "bye", reason: "max_age" });
    await pass(1000);
    peer().accept();
    await peer().grant();
    await pass(5000);
    expect(listener.mock.calls.length).toBeLessThanOrEqual(1);
    peer().vanish();
    expect(live.status).toBe("live");
    await pass(2000);
    expect(live.status).toBe("reconnecting");
  });
});

describe("whatever is lost, repeated or late", () => {
  // One generator and its seed: what fails can be played again.
  function chance(seed: number): (below: number) => number {
    let state = seed;
    return (below) => {
      state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
      return Math.floor((state / 2 ** 32) * below);
    };
  }

  it.each(Array.from({ length: 20 }, (_, index) => index + 1))(
    "shows the newest values, seed %i",
    async (seed) => {
      const any = chance(seed);
      const symbols = ["A-USD", "B-USD", "C-USD"];
      const newest = new Map<string, number>();
      const rows = new Map<number, { close: number; closed: boolean }>();
      const shown = new Map<number, { close: number; closed: boolean }>();
      ticks(symbols);
      live.watch({
        channel: "candles",
        symbol: "BTC-USD",
        interval: "1m",
        venue: undefined,
        tell: (more) => {
          for (const { time, close, closed } of more) shown.set((time - NOON) / 60_000, { close, closed });
        },
      });
      live.identify(false);
      await pass();

      let [now, minute] = [0, 0];
      const newestTicks = () => [...newest].map(([symbol, price]) => tick(price, price, symbol));
      /** A server that answers, and shows what it has. */
      async function serve(): Promise<void> {
        const seen = new Set<number>();
        for (let turn = 0; turn < 4; turn++) {
          for (const said of peer().heard.filter(
            ({ id }) => !seen.has(id) && !served.has(`${peers.length} ${id}`),
          )) {
            seen.add(said.id);
            served.add(`${peers.length} ${said.id}`);
            peer().answer(said, NOON + now * 1000);
            const isResync = said.action === "resync";
            if (isResync || said.channel === "ticks") snapshot("ticks", "ticks", newestTicks());
            if (isResync || said.channel === "candles") {
              const told = [...rows].filter(
                ([start, { closed }]) => !closed || (!isResync && NOON + start * 60_000 >= (said.since ?? 0)),
              );
              snapshot(
                "candles",
                "candles",
                told.map(([start, { close, closed }]) => candle(start, close, closed)),
              );
            }
          }
          await pass(100);
        }
      }
      const served = new Set<string>();
      peer().accept();
      await serve();

      const sent: string[] = [];
      for (let step = 0; step < 120; step++) {
        now++;
        const symbol = symbols[any(3)] ?? "";
        newest.set(symbol, now);
        const changes = [
          { type: "ticks", seq: ++seq, time: at(now), ticks: [tick(now, now, symbol)] },
          candlesFrame(),
        ];
        for (const change of changes) {
          sent.push(JSON.stringify(change));
          if (any(10) > 0) peer().onmessage?.({ data: JSON.stringify(change) });
        }
        if (any(10) === 0) peer().onmessage?.({ data: sent.at(-1 - any(Math.min(2, sent.length))) ?? "" });
        if (any(25) === 0) {
          peer().vanish();
          await pass(2000);
          peer().accept();
          seq = 0;
          sent.length = 0;
        }
        await serve();
      }
      function candlesFrame() {
        const closes = any(4) === 0;
        const told = [candle(minute, now, closes)];
        rows.set(minute, { close: now, closed: closes });
        if (closes && minute > 0 && any(3) === 0) {
          rows.set(minute - 1, { close: now + 0.5, closed: true }); // a repair
          told.push(candle(minute - 1, now + 0.5, true));
        }
        if (closes) minute++;
        return { type: "candles", seq: ++seq, candles: told };
      }
      // The last frames may be lost too: the next one tells.
      newest.set("A-USD", ++now);
      frame(tick(now, now, "A-USD"));
      await serve();

      for (const [symbol, price] of newest)
        expect([symbol, live.tick(symbol)?.price]).toEqual([symbol, price]);
      expect(new Map([...shown].sort(([a], [b]) => a - b))).toEqual(rows);
    },
  );
});
