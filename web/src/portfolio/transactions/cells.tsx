import * as numbers from "../../format/numbers";
import { Badge } from "../../ui/Badge";
import { Money, Quantity, Unknown } from "../../ui/figures";
import type { Portfolio } from "../portfolios";
import type { Transaction } from "./form";
import { KINDS } from "./kinds";
import { isIncoming, type Movement, signedQuantityOf, type Worth } from "./transactions";
import css from "./transactions.module.css";

/** What the table and the rows of a narrow window show alike. */
export interface Shown {
  items: readonly Transaction[];
  portfolio: Portfolio;
  /** Of the portfolio at a transfer's other end. */
  nameOf: (portfolio: string) => string;
  onEdit: (transaction: Transaction) => void;
  onDelete: (transaction: Transaction) => void;
}

export function TypeBadge({ transaction: { type } }: { transaction: Pick<Transaction, "type"> }) {
  return <Badge tone={KINDS[type].tone}>{KINDS[type].name}</Badge>;
}

/** What came in or went out; of a trade both. */
export function Moved({ transaction }: { transaction: Movement }) {
  const { asset, counter_asset: counter, counter_quantity: received } = transaction;
  return (
    <span className={css.moved}>
      <Amount value={signedQuantityOf(transaction)} asset={asset} />
      {counter !== null && received !== null && <Amount value={received} asset={counter} />}
    </span>
  );
}

function Amount({ value, asset }: { value: string; asset: string }) {
  return (
    <span className="number">
      {numbers.signedQuantity(value)} <span className="muted">{asset}</span>
    </span>
  );
}

/** An amount of money; muted where the market's price stands in for one that was not entered. */
export function Figure({ worth, of }: { worth: Worth | null; of: "price" | "value" }) {
  if (!worth) return <Unknown />;
  const { currency, isMarket } = worth;
  const text = of === "price" ? numbers.price(worth.price, currency) : numbers.money(worth.value, currency);
  const exact = `${worth[of]} ${currency}`;
  return (
    <span
      className={`number ${isMarket ? "muted" : ""}`}
      title={isMarket ? `${exact}, by the market’s price of that time` : exact}
    >
      {text}
    </span>
  );
}

/** Where a transfer goes or comes from. */
export function otherEnd(transaction: Transaction, nameOf: (portfolio: string) => string): string | null {
  const { from_portfolio_id: from, to_portfolio_id: to } = transaction;
  if (from !== null && isIncoming(transaction)) return `from ${nameOf(from)}`;
  return to === null ? null : `to ${nameOf(to)}`;
}

/** In money or in a coin; nothing where there is none. */
export function Fee({ transaction }: { transaction: Pick<Transaction, "fee" | "fee_asset"> }) {
  const { fee, fee_asset: asset } = transaction;
  if (fee === null || asset === null) return null;
  return numbers.isFiat(asset) ? (
    <Money value={fee} currency={asset} />
  ) : (
    <Quantity value={fee} asset={asset} />
  );
}
