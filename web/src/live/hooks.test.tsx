// @vitest-environment happy-dom
import { act, cleanup, render, screen } from "@testing-library/react";
import { StrictMode, useState } from "react";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { alert, article, at, candle, pass, peer, peers, stubWorld, tick, worth } from "./fakeServer";
import {
  useAlertFeed,
  useCandleFeed,
  useLiveStatus,
  useNewsFeed,
  useTick,
  useTickFeed,
  useWorth,
} from "./hooks";
import { LiveProvider } from "./LiveProvider";

const SYMBOLS = Array.from({ length: 100 }, (_, index) => `C${index}-USD`);
const ticket = async () => null;
const onSessionEnded = () => {};

beforeEach(() => {
  stubWorld();
  renders.clear();
  told.length = 0;
});
afterEach(() => {
  cleanup();
  vi.useRealTimers();
});

/** What the page shows, connected and granted. */
async function shown(children: React.ReactNode, signedIn?: boolean) {
  const wrapped = (known: boolean | undefined) => (
    <StrictMode>
      <LiveProvider url="wss://host/ws" ticket={ticket} signedIn={known} onSessionEnded={onSessionEnded}>
        {children}
      </LiveProvider>
    </StrictMode>
  );
  const { rerender, unmount } = render(wrapped(signedIn ?? false));
  await act(async () => {
    await pass();
    peer().accept();
    await peer().grant();
  });
  return { unmount, as: (known: boolean) => rerender(wrapped(known)) };
}

const say = (frame: object) =>
  act(async () => {
    peer().say(frame);
    await pass(20);
  });

const renders = new Map<string, number>();
const told: string[] = [];

function Feeds() {
  useTickFeed(["BTC-USD", "ETH-USD"]);
  useTickFeed([]);
  return <p>{useLiveStatus()}</p>;
}

function Row({ symbol }: { symbol: string }) {
  renders.set(symbol, (renders.get(symbol) ?? 0) + 1);
  return <li>{useTick(symbol)?.price}</li>;
}

function Table() {
  useTickFeed(SYMBOLS);
  return SYMBOLS.map((symbol) => <Row key={symbol} symbol={symbol} />);
}

function Callbacks() {
  const [interval, setInterval] = useState("1m");
  const tell = (what: string) => () => void told.push(`${what} at ${interval}`);
  useCandleFeed("BTC-USD", interval, undefined, tell("candles"));
  useNewsFeed(["BTC"], tell("news"));
  useNewsFeed([], tell("nothing"));
  useAlertFeed(tell("alerts"));
  return (
    <button type="button" onClick={() => setInterval("5m")}>
      5m
    </button>
  );
}

function Total() {
  return <p>{useWorth("p")?.value ?? "none"}</p>;
}

it("connects once in StrictMode, and leaves when the page does", async () => {
  const { unmount } = await shown(<Feeds />);
  expect(peers).toHaveLength(1);
  expect(peer().asked("subscribe")).toEqual([
    { channel: "ticks", symbols: ["BTC-USD", "ETH-USD"], interval_ms: 1000 },
  ]);
  await act(() => pass(20));
  expect(screen.getByText("live")).toBeTruthy();
  unmount();
  await pass(60_000);
  expect(peers.map(({ isLeft }) => isLeft)).toEqual([true]);
});

it("renders only the rows whose price came", async () => {
  await shown(<Table />);
  await say({ type: "snapshot", channel: "ticks", ticks: SYMBOLS.map((symbol) => tick(0, 7, symbol)) });
  expect(screen.getAllByText("7")).toHaveLength(100);
  renders.clear();
  await say({ type: "ticks", seq: 1, time: at(1), ticks: [tick(1, 8, "C3-USD"), tick(1, 9, "C5-USD")] });
  expect([...renders.keys()]).toEqual(["C3-USD", "C5-USD"]);
  expect(screen.getByText("8")).toBeTruthy();
  renders.clear();
  await say({ type: "ticks", seq: 2, time: at(1), ticks: [tick(0, 1, "C3-USD")] });
  expect(renders.size).toBe(0);
});

it("calls the newest callbacks, and asks for what is wanted now", async () => {
  await shown(<Callbacks />, true);
  await act(async () => screen.getByText("5m").click());
  await act(() => peer().grant());
  expect(
    peer()
      .asked("subscribe")
      .map(({ channel, interval }) => interval ?? channel),
  ).toEqual(["1m", "news", "alerts", "5m"]);
  await say({ type: "candles", seq: 1, candles: [candle(0, 1), candle(0, 1, false, "5m")] });
  await say({ type: "news", seq: 2, articles: [article("1")] });
  await say({ type: "alerts", seq: 3, alerts: [alert("1")] });
  expect(told).toEqual(["candles at 5m", "news at 5m", "alerts at 5m"]);
});

it("shows what is worth what, to whom it belongs", async () => {
  const { as } = await shown(<Total />, true);
  await say({ type: "snapshot", channel: "portfolio", portfolios: [worth(0, "12.50")] });
  expect(screen.getByText("12.50")).toBeTruthy();
  as(false);
  await act(() => pass(20));
  expect(screen.getByText("none")).toBeTruthy();
});
