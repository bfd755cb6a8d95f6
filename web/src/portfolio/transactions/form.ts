import type { Schema } from "../../api/client";
import { difference, product, sum } from "../../format/decimal";
import { sign } from "../../format/numbers";
import { fromInput, toInput, utc } from "../../format/times";
import { typedDecimal } from "../../format/typedDecimal";
import { currencyOf } from "../methods";
import type { Portfolio } from "../portfolios";
import { KINDS, type Kind } from "./kinds";

export type Draft = Schema["Draft"];
export type Transaction = Schema["TransactionView"];

/** What the form's fields hold, by the API's names: text as it was typed. */
export interface Values {
  type: Kind;
  asset: string;
  quantity: string;
  price: string;
  currency: string;
  fee: string;
  fee_asset: string;
  counter_asset: string;
  counter_quantity: string;
  to_portfolio_id: string;
  /** As a `datetime-local` input has it. */
  time: string;
  note: string;
}

export type FieldName = keyof Values;
export type Errors = Partial<Record<FieldName, string>>;

const GENESIS = Date.parse("2009-01-03T00:00:00Z");
const AHEAD_MS = 5 * 60_000;
const CODE = /^[A-Z0-9]{1,20}$/;

export function newValues(portfolio: Portfolio, now: number): Values {
  return {
    type: "buy",
    asset: "",
    quantity: "",
    price: "",
    currency: portfolio.base_currency,
    fee: "",
    fee_asset: "",
    counter_asset: "",
    counter_quantity: "",
    to_portfolio_id: "",
    time: toInput(now),
    note: "",
  };
}

export function valuesOf(transaction: Transaction, base: string): Values {
  return {
    type: transaction.type,
    asset: transaction.asset,
    quantity: transaction.quantity,
    price: transaction.price ?? "",
    currency: transaction.currency ?? base,
    fee: transaction.fee ?? "",
    fee_asset: transaction.fee_asset ?? "",
    counter_asset: transaction.counter_asset ?? "",
    counter_quantity: transaction.counter_quantity ?? "",
    to_portfolio_id: transaction.to_portfolio_id ?? "",
    time: toInput(transaction.time),
    note: transaction.note ?? "",
  };
}

/** Which of the fields a type of transaction has. */
export function hasField(type: Kind, field: FieldName): boolean {
  switch (field) {
    case "price":
    case "currency":
      return KINDS[type].price !== "none";
    case "fee":
    case "fee_asset":
      return type !== "fee";
    case "counter_asset":
    case "counter_quantity":
      return type === "trade";
    case "to_portfolio_id":
      return type === "transfer";
    default:
      return true;
  }
}

/** The transaction that the fields tell, or what is wrong with them. */
export function read(values: Values, now: number): { draft: Draft } | { errors: Errors } {
  const errors: Errors = {};
  const has = (field: FieldName) => hasField(values.type, field);

  function code(field: "asset" | "counter_asset" | "fee_asset"): string | null {
    const text = codeOf(values[field]);
    if (!has(field) || text === "") return null;
    if (!CODE.test(text)) errors[field] = "Enter its code: up to 20 of A–Z and 0–9, such as BTC.";
    return text;
  }

  function decimal(field: "quantity" | "price" | "fee" | "counter_quantity"): string | null {
    if (!has(field) || values[field].trim() === "") return null;
    const typed = typedDecimal(values[field]);
    if ("fault" in typed) {
      errors[field] = typed.fault;
      return null;
    }
    if (field !== "fee" && sign(typed.decimal) === 0) errors[field] = "Enter a number above 0.";
    return typed.decimal;
  }

  function needed(field: FieldName, told: string | null, words: string): string {
    if (told === null && has(field)) errors[field] ??= words;
    return told ?? "";
  }

  const asset = needed("asset", code("asset"), "Enter the code of the asset, such as BTC.");
  const quantity = needed("quantity", decimal("quantity"), "Enter how much it was.");
  const counterAsset = code("counter_asset");
  const counterQuantity = decimal("counter_quantity");
  needed("counter_asset", counterAsset, "Enter the code of what you received.");
  needed("counter_quantity", counterQuantity, "Enter how much you received.");
  if (counterAsset !== null && counterAsset === asset) {
    errors.counter_asset ??= "Enter another asset than the one given.";
  }
  const price = decimal("price");
  if (KINDS[values.type].price === "needed") {
    const other = values.type === "buy" ? "deposit" : "withdrawal";
    needed("price", price, `Enter the price of one unit. Not for money? Then it is a ${other}.`);
  }
  const target = has("to_portfolio_id") ? values.to_portfolio_id || null : null;
  needed("to_portfolio_id", target, "Choose where it went.");
  const fee = decimal("fee");
  const feeAsset = fee === null ? null : code("fee_asset");
  const time = momentOf(values.time, now);
  if ("fault" in time) errors.time = time.fault;

  if ("fault" in time || Object.keys(errors).length > 0) return { errors };
  return {
    draft: {
      type: values.type,
      asset,
      quantity,
      price,
      currency: price === null ? null : (currencyOf(values.currency) ?? null),
      fee,
      fee_asset: feeAsset,
      counter_asset: counterAsset,
      counter_quantity: counterQuantity,
      to_portfolio_id: target,
      external_id: null,
      time: time.moment,
      note: values.note.trim() || null,
    },
  };
}

export const FIELD_NAMES = [
  "type",
  "asset",
  "quantity",
  "price",
  "currency",
  "fee",
  "fee_asset",
  "counter_asset",
  "counter_quantity",
  "to_portfolio_id",
  "time",
  "note",
] as const satisfies readonly (keyof Draft & FieldName)[];

/** What the edited draft says otherwise: what was not touched stays as it is, to the millisecond. */
export function changes(before: Draft, after: Draft): Schema["TransactionChange"] {
  const changed: Partial<Draft> = {};
  for (const name of FIELD_NAMES) if (after[name] !== before[name]) copy(name, after, changed);
  return changed;
}

function copy<Name extends keyof Draft>(name: Name, from: Draft, to: Partial<Draft>): void {
  to[name] = from[name];
}

export interface Total {
  label: string;
  amount: string;
  currency: string;
  /** A fee that is not money of the same currency comes beside it. */
  fee: { amount: string; asset: string } | null;
}

/** What the transaction comes to as far as it is typed: exact. */
export function totalOf(values: Values): Total | null {
  const quantity = amount(values.quantity);
  const price = amount(values.price);
  if (!hasField(values.type, "price") || quantity === null || price === null) return null;
  const value = product(quantity, price);
  const fee = amount(values.fee) ?? "0";
  const feeAsset = codeOf(values.fee_asset) || values.currency;
  const isMoney = feeAsset === values.currency;
  const beside = sign(fee) === 0 || isMoney ? null : { amount: fee, asset: feeAsset };
  const inside = isMoney ? fee : "0";
  const rest = { currency: values.currency, fee: beside };
  if (values.type === "buy") return { label: "Total cost", amount: sum([value, inside]), ...rest };
  if (values.type === "sell") return { label: "Proceeds", amount: difference(value, inside), ...rest };
  const label = KINDS[values.type].price === "fallback" ? "Value at your price" : "Value";
  return { label, amount: value, currency: values.currency, fee: null };
}

/** The same moment in UTC, for the hint at the input. */
export function utcOf(typed: string): string | undefined {
  return Number.isNaN(Date.parse(typed)) ? undefined : utc(typed);
}

export function codeOf(typed: string): string {
  return typed.trim().toUpperCase();
}

function amount(typed: string): string | null {
  const read = typedDecimal(typed);
  return "fault" in read ? null : read.decimal;
}

function momentOf(typed: string, now: number): { moment: string } | { fault: string } {
  const time = Date.parse(typed);
  if (Number.isNaN(time)) return { fault: "Enter the date and time." };
  if (time < GENESIS) return { fault: "Enter a time from 3 January 2009 on." };
  if (time > now + AHEAD_MS) return { fault: "Enter a time that is not in the future." };
  return { moment: fromInput(typed) };
}
