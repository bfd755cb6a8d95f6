import {
  type InfiniteData,
  type QueryClient,
  type UseInfiniteQueryResult,
  useInfiniteQuery,
} from "@tanstack/react-query";
import { api, body, type Schema } from "../../api/client";
import { product } from "../../format/decimal";
import { PORTFOLIOS, type Portfolio, portfolioKey } from "../portfolios";
import type { Transaction } from "./form";
import { KINDS, type Kind } from "./kinds";

type Page = Schema["Page_TransactionView_"];

export interface Filter {
  type: Kind | null;
  asset: string | null;
}

/** The newest first. With a filter a page may be empty and not the last: the API looks through 5,000 at a time. */
export function useTransactions(
  portfolio: string,
  { type, asset }: Filter,
): UseInfiniteQueryResult<InfiniteData<Page>, Error> {
  return useInfiniteQuery({
    queryKey: [...portfolioKey(portfolio), "transactions", { type, asset }],
    initialPageParam: null as string | null,
    queryFn: ({ pageParam }) =>
      body(
        api.GET("/portfolios/{portfolio_id}/transactions", {
          params: {
            path: { portfolio_id: portfolio },
            query: {
              ...(type && { type }),
              ...(asset && { asset }),
              ...(pageParam !== null && { cursor: pageParam }),
            },
          },
        }),
      ),
    getNextPageParam: ({ next_cursor }) => next_cursor,
  });
}

/** After a change: of all portfolios, for a transfer changes two. */
export function invalidatePortfolios(client: QueryClient): Promise<void> {
  return client.invalidateQueries({ queryKey: PORTFOLIOS });
}

/** What tells how much came in or went out. */
export type Movement = Pick<
  Transaction,
  "type" | "asset" | "quantity" | "counter_asset" | "counter_quantity" | "from_portfolio_id"
>;

export function isIncoming(transaction: Pick<Transaction, "from_portfolio_id">): boolean {
  return transaction.from_portfolio_id !== null;
}

/** The quantity with the sign of what it did to the portfolio. */
export function signedQuantityOf(transaction: Movement): string {
  const gives = KINDS[transaction.type].gives && !isIncoming(transaction);
  return gives ? `-${transaction.quantity}` : transaction.quantity;
}

export interface Worth {
  price: string;
  value: string;
  currency: string;
  /** Whether it is the market's price of that time, and not what was entered. */
  isMarket: boolean;
}

/** What one of the asset, and all of it, was worth, by the price that the books go by. */
export function worthOf(transaction: Transaction, base: Portfolio["base_currency"]): Worth | null {
  const { asset, quantity, price, currency, rates, type } = transaction;
  const own = price !== null && currency !== null ? { price, currency, isMarket: false } : null;
  const rate = asset === base ? "1" : rates.find((each) => each.asset === asset)?.price;
  const market = rate === undefined ? null : { price: rate, currency: base, isMarket: true };
  const told = KINDS[type].price === "fallback" ? (market ?? own) : (own ?? market);
  return told && { ...told, value: product(quantity, told.price) };
}
