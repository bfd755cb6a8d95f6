import type { Schema } from "../../api/client";
import type { Badge } from "../../ui/Badge";

export type Kind = Schema["Draft"]["type"];

interface KindText {
  name: string;
  /** What it is, for who enters one. */
  text: string;
  tone: NonNullable<Parameters<typeof Badge>[0]["tone"]>;
  /** Whether the asset goes out of the portfolio. */
  gives: boolean;
  /** What its price is for: it must be told, else the market's is taken, or only where the market has none. */
  price: "needed" | "own" | "fallback" | "none";
}

export const KINDS: Readonly<Record<Kind, KindText>> = {
  buy: { name: "Buy", text: "Bought for money.", tone: "up", gives: false, price: "needed" },
  sell: { name: "Sell", text: "Sold for money.", tone: "down", gives: true, price: "needed" },
  trade: {
    name: "Trade",
    text: "One coin given for another, also a stablecoin spent.",
    tone: "accent",
    gives: true,
    price: "fallback",
  },
  deposit: {
    name: "Deposit",
    text: "Came in from a wallet or exchange that is not kept here.",
    tone: "neutral",
    gives: false,
    price: "own",
  },
  withdrawal: {
    name: "Withdrawal",
    text: "Went out to where it is not kept here. No gain is counted.",
    tone: "neutral",
    gives: true,
    price: "fallback",
  },
  transfer: {
    name: "Transfer",
    text: "Moved to another portfolio of yours, with its dates and cost.",
    tone: "neutral",
    gives: true,
    price: "fallback",
  },
  reward: {
    name: "Reward",
    text: "Earned by staking, lending or mining. It counts as income.",
    tone: "accent",
    gives: false,
    price: "own",
  },
  airdrop: {
    name: "Airdrop",
    text: "Given to you for nothing. It counts as income.",
    tone: "accent",
    gives: false,
    price: "own",
  },
  fee: {
    name: "Fee",
    text: "Spent on a fee alone, such as gas. It brings in nothing.",
    tone: "warning",
    gives: true,
    price: "none",
  },
};

export function isKind(text: string | null): text is Kind {
  return text !== null && Object.hasOwn(KINDS, text);
}
