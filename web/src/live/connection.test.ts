// @vitest-environment happy-dom
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Connection, type ConnectionOptions } from "./connection";
import { at, candle, NOON, pass, peer, peers, stubWorld, tick } from "./fakeServer";
import type { Want } from "./wants";

const BTC: Want = { channel: "ticks", symbol: "BTC-USD", venue: undefined, intervalMs: 1000 };
const ETH: Want = { ...BTC, symbol: "ETH-USD" };
const CANDLES: Want = {
  channel: "candles",
  symbol: "BTC-USD",
  venue: undefined,
  interval: "5m",
  since: NOON - 1,
};
const NEWS: Want = { channel: "news", assets: ["BTC", "ETH"], since: NOON - 2 };
const ALERTS: Want = { channel: "alerts" };
const PORTFOLIO: Want = { channel: "portfolio", id: "p" };

let connection: Connection;
let told: string[];
let statuses: string[];
let dropped: Want[];
const ended = vi.fn();
const ticket = vi.fn<() => Promise<string | null>>();

function connect(options: Partial<ConnectionOptions> = {}): Connection {
  connection = new Connection({
    url: "wss://host/ws",
    ticket,
    onValues: ({ channel, values }, isSnapshot) =>
      told.push(`${channel} ${values.length}${isSnapshot ? " shown" : ""}`),
    onStatus: (status) => statuses.push(status),
    onDropped: (want) => dropped.push(want),
    onSessionEnded: ended,
    ...options,
  });
  return connection;
}

/** Connected, with these wants granted. */
async function granted(...wants: Want[]): Promise<void> {
  connect().want(wants);
  await pass();
  peer().accept();
  await peer().grant();
}

const frame = (seq: number, second = seq) =>
  peer().say({ type: "ticks", seq, time: at(0), ticks: [tick(second, seq)] });
const shown = () => peer().say({ type: "snapshot", channel: "ticks", ticks: [tick(0, 1)] });

beforeEach(() => {
  stubWorld();
  told = [];
  statuses = [];
  dropped = [];
  ended.mockReset();
  ticket.mockReset().mockResolvedValue(null);
});

afterEach(() => {
  connection.close();
  vi.useRealTimers();
});

describe("connecting", () => {
  it("waits until something is wanted, and asks for it in one frame a group", async () => {
    connect().want([]);
    await pass(60_000);
    expect(peers).toHaveLength(0);
    connection.want([BTC, ETH, CANDLES, { ...ETH, symbol: "ADA-USD", venue: "binance" }]);
    await pass();
    peer().accept();
    await pass(1000);
    expect(peer().url).toBe("wss://host/ws");
    expect(peer().asked("subscribe")).toEqual([
      { channel: "ticks", symbols: ["BTC-USD", "ETH-USD"], interval_ms: 1000 },
      { channel: "candles", symbols: ["BTC-USD"], interval: "5m", since: NOON - 1 },
      { channel: "ticks", symbols: ["ADA-USD"], venue: "binance", interval_ms: 1000 },
    ]);
    expect(peers).toHaveLength(1);
  });

  it("tells how it stands", async () => {
    await granted(BTC);
    expect(statuses).toEqual(["connecting", "live"]);
    peer().vanish();
    await pass(2000);
    expect(statuses).toEqual(["connecting", "live", "reconnecting"]);
    peer().accept();
    await peer().grant();
    expect(statuses.at(-1)).toBe("live");
    connection.want([]);
    await peer().grant();
    peer().vanish();
    await pass(60_000);
    expect(statuses.at(-1)).toBe("idle");
    expect(peers).toHaveLength(2);
  });

  it("gives up a handshake, or a ticket, that does not come within ten seconds", async () => {
    connect().want([BTC]);
    await pass(10_000 + 2_000);
    expect(peers.map(({ isLeft }) => isLeft)).toEqual([true, false]);
    ticket.mockReturnValue(new Promise(() => {}));
    peer().vanish();
    await pass(4_000 + 10_000);
    ticket.mockResolvedValue("late");
    await pass(8_000);
    expect(peer().url).toBe("wss://host/ws?ticket=late");
    expect(peers).toHaveLength(3);
  });

  it("leaves when the browser is offline, and is back at once when it is online", async () => {
    await granted(BTC);
    window.dispatchEvent(new Event("offline"));
    expect(peer().isLeft).toBe(true);
    expect(statuses.at(-1)).toBe("offline");
    connection.want([BTC, ETH]);
    await pass(600_000);
    expect(peers).toHaveLength(1);
    window.dispatchEvent(new Event("online"));
    await pass();
    expect(peers).toHaveLength(2);
    peer().vanish();
    window.dispatchEvent(new Event("online")); // while it waits
    await pass();
    expect(peers).toHaveLength(3);
  });

  it("connects anew as somebody else, and is silent when closed", async () => {
    await granted(BTC);
    ticket.mockResolvedValue("a");
    connection.restart();
    await pass();
    expect(peers.map(({ url, isLeft }) => [url, isLeft])).toEqual([
      ["wss://host/ws", true],
      ["wss://host/ws?ticket=a", false],
    ]);
    peers[0]?.vanish();
    peers[0]?.say({ type: "bye", reason: "max_age" });
    const heard = peers[0]?.heard.length;
    peers[0]?.accept();
    await pass(5000);
    expect(peers[0]?.heard).toHaveLength(heard ?? 0);
    expect(peers).toHaveLength(2);
    connection.close();
    window.dispatchEvent(new Event("offline"));
    window.dispatchEvent(new Event("online"));
    await pass(60_000);
    expect(peers.map(({ isLeft }) => isLeft)).toEqual([true, true]);
  });
});

describe("rule 5: what is not known is passed over", () => {
  it("passes over frames, fields and values", async () => {
    await granted(BTC);
    peer().onmessage?.({ data: "{" });
    peer().onmessage?.({ data: "null" });
    peer().say({ message: "Internal server error", connectionId: "c" });
    peer().say({ type: "weather", rain: true });
    peer().say({ type: "snapshot", channel: "weather", weather: [] });
    peer().say({ type: "subscribed", id: null, channel: "ticks", interval_ms: 4000 });
    peer().say({ type: "ticks", seq: 1, mood: "good", ticks: [{ ...tick(1, 1), size: 3 }, { symbol: 5 }] });
    expect(told).toEqual(["ticks 1"]);
    expect(statuses.at(-1)).toBe("live");
  });
});

describe("rules 6 and 7: seq", () => {
  it("applies a repeat and counts on from it", async () => {
    await granted(BTC);
    for (const seq of [1, 2, 1, 2, 3]) frame(seq);
    await pass(1000);
    expect(told).toHaveLength(5);
    expect(peer().asked("resync")).toHaveLength(0);
  });

  it("asks once for all again after a jump, and for candles since then; the frame counts", async () => {
    await granted(BTC, CANDLES);
    frame(2);
    frame(4);
    await pass(1000);
    expect(told).toEqual(["ticks 1", "ticks 1"]);
    expect(peer().asked("resync")).toHaveLength(1);
    expect(peer().asked("subscribe").slice(2)).toEqual([
      { channel: "candles", symbols: ["BTC-USD"], interval: "5m", since: NOON - 25 * 60_000 },
    ]);
    await peer().grant();
    frame(5);
    frame(7);
    await pass();
    expect(peer().asked("resync")).toHaveLength(2);
  });

  it("begins anew on each connection", async () => {
    await granted(BTC);
    frame(1);
    frame(2);
    peer().vanish();
    await pass(1000);
    peer().accept();
    await peer().grant();
    frame(1);
    frame(2);
    await pass(1000);
    expect(peer().asked("resync")).toHaveLength(0);
  });
});

describe("rules 8 and 9: signs of life", () => {
  it("pings every three minutes", async () => {
    await granted(BTC);
    const pings: number[] = [];
    for (let minute = 0; minute < 9; minute++) {
      await pass(60_000);
      await peer().grant();
      pings.push(peer().asked("ping").length);
    }
    expect(pings).toEqual([1, 1, 2, 2, 2, 3, 3, 3, 4]);
    expect(peers).toHaveLength(1);
  });

  it("pings once when the page is seen again, and finds out that nobody is there", async () => {
    await granted(BTC);
    shown();
    await peer().grant();
    await pass(60_000);
    document.dispatchEvent(new Event("visibilitychange"));
    await pass();
    expect(peer().asked("ping")).toHaveLength(2);
    await peer().grant();
    await pass(170_000);
    expect(peer().asked("ping")).toHaveLength(2); // the next is three minutes after this one
    document.dispatchEvent(new Event("visibilitychange"));
    await pass(10_000);
    expect(peer().isLeft).toBe(true);
  });

  it("connects at once when the page is seen again, instead of waiting", async () => {
    vi.spyOn(Math, "random").mockReturnValue(0.99);
    await granted(BTC);
    peer().vanish();
    expect(peers).toHaveLength(1);
    document.dispatchEvent(new Event("visibilitychange"));
    await pass();
    expect(peers).toHaveLength(2);
  });

  it.each(["subscribe", "ping", "resync", "unsubscribe"])(
    "takes no answer to %s for a loss",
    async (action) => {
      await granted(BTC, ETH);
      const first = peer();
      first.heard.length = 0;
      if (action === "subscribe") connection.want([BTC, ETH, CANDLES]);
      if (action === "unsubscribe") connection.want([BTC]);
      if (action === "resync") frame(2);
      if (action === "ping") await pass(180_000 - 400);
      await pass(300);
      expect(first.heard.map((each) => each.action)).toEqual([action]);
      await pass(9_600);
      expect(first.isLeft).toBe(false);
      await pass(600);
      expect(first.isLeft).toBe(true);
      expect(statuses.at(-1)).toBe("reconnecting");
    },
  );
});

describe("rules 10 and 11: connections that end", () => {
  it.each(["idle", "max_age", "restart"])("is back at once after bye: %s", async (reason) => {
    await granted(BTC);
    shown();
    peer().say({ type: "bye", reason });
    await pass();
    expect(peers.map(({ isLeft }) => isLeft)).toEqual([true, false]);
  });

  it("stops after session_ended, and says so, until it is told to go on", async () => {
    await granted(BTC);
    peer().say({ type: "bye", reason: "session_ended" });
    connection.want([BTC, ETH]);
    await pass(600_000);
    expect(ended).toHaveBeenCalledOnce();
    expect(peers).toHaveLength(1);
    expect(statuses.at(-1)).toBe("idle");
    connection.restart();
    await pass();
    expect(peers).toHaveLength(2);
  });

  it("waits longer and longer, until data come", async () => {
    connect().want([BTC]);
    await pass();
    const pauses: number[] = [];
    const nextPause = async () => {
      const [before, start] = [peers.length, Date.now()];
      while (peers.length === before) await pass(500);
      return (Date.now() - start) / 1000;
    };
    for (let tried = 0; tried < 6; tried++) {
      peer().vanish();
      pauses.push(await nextPause());
    }
    expect(pauses).toEqual([2, 4, 8, 16, 30, 30]);
    peer().accept();
    await peer().grant();
    peer().say({ type: "bye", reason: "idle" }); // it said nothing but this
    expect(await nextPause()).toBe(30);
    peer().accept();
    await peer().grant();
    frame(1);
    peer().vanish();
    expect(await nextPause()).toBe(1);
  });

  it("waits a random part of it", async () => {
    vi.mocked(Math.random).mockReturnValue(0.25);
    connect().want([BTC]);
    await pass();
    peer().vanish();
    await pass(499);
    expect(peers).toHaveLength(1);
    await pass(1);
    expect(peers).toHaveLength(2);
  });
});

describe("rule 12: asks again, since", () => {
  const since = () =>
    peer()
      .asked("subscribe")
      .map((each) => [each.channel, each.since]);

  it("asks from the server's time on, less what may come late", async () => {
    await granted(BTC, CANDLES, NEWS, ALERTS, PORTFOLIO);
    await pass(180_000);
    await peer().grant(NOON + 180_000);
    peer().vanish();
    await pass(2000);
    peer().accept();
    await peer().grant();
    expect(since()).toEqual([
      ["ticks", undefined],
      ["candles", NOON + (180 - 25 * 60) * 1000],
      ["news", NOON + (180 - 3600) * 1000],
      ["alerts", NOON + (180 - 120) * 1000],
      ["portfolio", undefined],
    ]);
  });

  it("asks from when the user wanted, until that has come", async () => {
    connect().want([NEWS, ALERTS]);
    await pass();
    peer().accept();
    await pass(1000);
    const [news, , ping] = peer().heard;
    if (news && ping) {
      peer().answer(ping); // the alerts are not answered: it does not count
      peer().answer(news);
    }
    peer().vanish();
    await pass(2000);
    peer().accept();
    await pass(1000);
    expect(since()).toEqual([
      ["news", NOON - 2],
      ["alerts", undefined],
    ]);
  });

  it("does not count on the time of a pong while a loss is not mended", async () => {
    await granted(ALERTS, BTC);
    const [pinged = 0] = peer().heardAt.slice(-1);
    await pass(pinged + 180_000 - 50 - Date.now());
    frame(2);
    await pass(100);
    const [resync, ping] = peer().heard.slice(-2);
    expect([resync?.action, ping?.action]).toEqual(["resync", "ping"]);
    if (ping) peer().answer(ping, NOON + 180_000);
    peer().vanish();
    await pass(2000);
    peer().accept();
    await peer().grant();
    expect(since()[0]).toEqual(["alerts", NOON - 120_000]);
  });

  it("asks for what came since the last pong, where another one is yet to come", async () => {
    await granted(BTC);
    connection.want([BTC, ALERTS]);
    await peer().grant();
    peer().vanish();
    await pass(2000);
    peer().accept();
    await peer().grant();
    expect(since()[1]).toEqual(["alerts", NOON - 120_000]);
  });

  it("goes by the server's clock as soon as that is known", async () => {
    await granted({ ...NEWS, since: NOON - 86_400_000 }); // this browser's is a day slow
    peer().vanish();
    await pass(2000);
    peer().accept();
    await peer().grant();
    expect(since()).toEqual([["news", NOON - 3_600_000]]);
  });

  it("tells who comes later what came before, and loses nothing of the others", async () => {
    await granted(NEWS);
    await pass(60_000);
    connection.want([{ ...NEWS, since: NOON + 55_000 }]);
    await peer().grant();
    connection.want([NEWS]); // the later one has gone
    await pass(1000);
    expect(since()).toEqual([
      ["news", NOON - 2],
      ["news", NOON - 3_600_000],
    ]);
  });
});

describe("rules 13 and 14: what is asked", () => {
  it("replaces symbol by symbol, and ends what nobody wants", async () => {
    await granted(BTC, ETH, CANDLES, PORTFOLIO, NEWS);
    peer().heard.length = 0;
    connection.want([{ ...BTC, venue: "binance" }]);
    await peer().grant();
    expect(peer().asked("subscribe")).toEqual([
      { channel: "ticks", symbols: ["BTC-USD"], venue: "binance", interval_ms: 1000 },
    ]);
    expect(peer().asked("unsubscribe")).toEqual([
      { channel: "ticks", symbols: ["ETH-USD"] },
      { channel: "candles", symbols: ["BTC-USD"] },
      { channel: "portfolio", portfolio_id: "p" },
      { channel: "news" },
    ]);
    peer().vanish();
    await pass(2000);
    peer().accept();
    await peer().grant();
    expect(peer().asked("subscribe")).toHaveLength(1);
  });

  it("ends what was wanted for a moment, and says nothing of what stays", async () => {
    await granted(BTC);
    const before = peer().heard.length;
    connection.want([ETH, BTC]);
    connection.want([BTC]);
    await peer().grant();
    expect(
      peer()
        .heard.slice(before)
        .map(({ action }) => action),
    ).toEqual(["subscribe", "unsubscribe"]);
    connection.want([{ ...BTC }]);
    await pass(1000);
    expect(peer().heard).toHaveLength(before + 2);
  });

  it("asks nothing about a symbol while an answer about it is due: frames may overtake each other", async () => {
    await granted(CANDLES);
    const before = peer().heard.length;
    connection.want([{ ...CANDLES, interval: "1h" }]);
    await pass(200);
    connection.want([{ ...CANDLES, interval: "1d" }]);
    await pass(1000);
    expect(
      peer()
        .heard.slice(before)
        .map(({ interval }) => interval),
    ).toEqual(["1h"]);
    await peer().grant();
    expect(
      peer()
        .heard.slice(before)
        .map(({ interval }) => interval),
    ).toEqual(["1h", "1d"]);
    connection.want([CANDLES]);
    await pass(100);
    connection.want([]);
    await pass(1000);
    expect(peer().asked("unsubscribe")).toEqual([]);
    await peer().grant();
    expect(peer().asked("unsubscribe")).toEqual([{ channel: "candles", symbols: ["BTC-USD"] }]);
  });

  it("asks again for what was not answered", async () => {
    connect().want([BTC]);
    await pass();
    peer().accept();
    await pass(1000);
    peer().vanish();
    await pass(2000);
    peer().accept();
    await pass();
    expect(peer().asked("subscribe")).toHaveLength(1);
  });

  it("forgets the unknown symbols, and asks for the rest again", async () => {
    await granted(BTC, ETH, NEWS);
    peer().vanish();
    await pass(2000);
    peer().accept();
    await pass(200);
    const [ticks, news] = peer().heard;
    if (ticks && news) {
      peer().refuse(ticks, "unknown_symbol", ["ETH-USD"]);
      peer().refuse(news, "unknown_symbol", ["BTC"]);
    }
    await peer().grant();
    expect(peer().asked("subscribe").slice(2)).toMatchObject([{ symbols: ["BTC-USD"] }, { assets: ["ETH"] }]);
    expect(dropped).toEqual([ETH]);
    connection.want([BTC, ETH, CANDLES]);
    await peer().grant();
    expect(peer().asked("subscribe").slice(4)).toMatchObject([{ channel: "candles" }]);
  });

  it("forgets what is refused, and tells of what was granted before only", async () => {
    connect().want([BTC, ALERTS]);
    await pass();
    peer().accept();
    await pass(200);
    const [, alerts] = peer().heard;
    if (alerts) peer().refuse(alerts, "unauthorized");
    await peer().grant();
    peer().vanish();
    await pass(2000);
    peer().accept();
    await peer().grant();
    expect(peer().asked("subscribe")).toMatchObject([{ channel: "ticks" }]);
    expect(dropped).toEqual([]);
  });

  it("asks again after a while for what was too much", async () => {
    await granted(BTC, ETH);
    connection.want([BTC, ETH, CANDLES]);
    await pass();
    const asked = peer().heard.at(-1);
    if (asked) peer().refuse(asked, "limit");
    expect(statuses.at(-1)).toBe("reconnecting");
    await pass(29_000);
    expect(peer().heard.at(-1)).toBe(asked);
    await pass(1_000);
    await peer().grant();
    expect(
      peer()
        .asked("subscribe")
        .map(({ channel }) => channel),
    ).toEqual(["ticks", "candles", "candles"]);
    expect(statuses.at(-1)).toBe("live");
    frame(2);
    await pass();
    const resync = peer().heard.at(-1);
    if (resync) peer().refuse(resync, "limit");
    await peer().grant();
    await pass(30_000);
    await peer().grant();
    expect(peer().asked("resync")).toHaveLength(2);
    expect(statuses.at(-1)).toBe("live");
  });
});

describe("rule 15: ten frames a second", () => {
  it("sends one each 100 ms", async () => {
    const portfolios = Array.from(
      { length: 20 },
      (_, index): Want => ({ channel: "portfolio", id: `${index}` }),
    );
    connect().want(portfolios);
    await pass();
    peer().accept();
    await pass(5000);
    expect(peer().heard).toHaveLength(21);
    const gaps = peer()
      .heardAt.slice(1)
      .map((time, index) => time - (peer().heardAt[index] ?? 0));
    expect(new Set(gaps)).toEqual(new Set([100]));
  });
});

describe("rule 16: tickets", () => {
  it("asks for a fresh one for each connection; what it raises is a failed try", async () => {
    ticket.mockResolvedValueOnce("a b").mockRejectedValueOnce(new Error("down")).mockResolvedValueOnce("c");
    await granted(BTC);
    frame(1);
    peer().vanish();
    await pass(1000);
    expect(peers).toHaveLength(1);
    await pass(2000);
    expect(peers.map(({ url }) => url)).toEqual(["wss://host/ws?ticket=a%20b", "wss://host/ws?ticket=c"]);
  });

  it("drops a ticket that comes after another try began", async () => {
    let give: (value: string) => void = () => {};
    ticket.mockReturnValueOnce(new Promise((resolve) => (give = resolve))).mockResolvedValue("new");
    connect().want([BTC]);
    connection.restart();
    give("old");
    await pass();
    expect(peers.map(({ url }) => url)).toEqual(["wss://host/ws?ticket=new"]);
  });
});

it("tells candles as they come", async () => {
  await granted(CANDLES);
  peer().say({ type: "snapshot", channel: "candles", candles: [candle(0, 1)] });
  peer().say({ type: "candles", seq: 1, candles: [candle(0, 2), candle(1, 1)] });
  expect(told).toEqual(["candles 1 shown", "candles 2"]);
});
