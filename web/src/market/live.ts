import { useState } from "react";
import type { Schema } from "../api/client";
import { useNow } from "../format/useNow";
import { useTick } from "../live/hooks";
import { liveQuote, type Quote } from "./quote";

/** As old as the API calls stale. */
const STALE_MS = 5 * 60_000;
/** A symbol that has no ticks. */
const NONE = "";

/** A price as of now: anew with each tick of its venue; what is converted, or not seen, has none. */
export function useQuote(price: Schema["Price"], isSeen = true): Quote {
  return liveQuote(price, useTick(isSeen ? price.symbol : NONE, price.venue));
}

/** Whether a price has been the last for too long; an answer's own word holds while nothing newer came. */
export function useStale(price: Schema["Price"], isSeen = true): boolean {
  const { time } = useQuote(price, isSeen);
  const now = useNow();
  if (time === null) return false;
  return (price.stale && time === price.time) || now - Date.parse(time) > STALE_MS;
}

interface Move {
  value: number | null;
  direction: "up" | "down" | undefined;
  times: number;
}

/** Where a value went last, and how often it has: for what shows that it moved. */
export function useMove(value: number | null): Move {
  const [last, setLast] = useState<Move>({ value, direction: undefined, times: 0 });
  if (last.value === value) return last;
  const move = { value, direction: directionOf(last.value, value), times: last.times + 1 };
  setLast(move);
  return move;
}

function directionOf(from: number | null, to: number | null): Move["direction"] {
  if (from === null || to === null) return undefined;
  return to > from ? "up" : "down";
}
