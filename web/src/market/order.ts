import type { Listing } from "./listings";

const FIGURES = {
  name: ({ name }) => name.toLowerCase(),
  price: ({ price }) => price.price,
  change: ({ price }) => price.change_pct_24h ?? null,
  volume: ({ price }) => turnover(price),
  sentiment: ({ sentiment }) => sentiment?.score ?? null,
  age: ({ price }) => (price.time === null ? null : -Date.parse(price.time)),
} as const satisfies Record<string, (listing: Listing) => string | number | null>;

export type Column = keyof typeof FIGURES;

export interface Order {
  by: Column;
  descending: boolean;
}

/** What was traded in 24 hours, in the quote asset. */
export function turnover({ price, volume_24h }: Listing["price"]): number | null {
  return price == null || volume_24h == null ? null : price * volume_24h;
}

/** `-change`: the most risen first. The server's order where it says nothing that is known. */
export function readOrder(text: string | null): Order | undefined {
  const by = text?.replace(/^-/, "");
  return isColumn(by) ? { by, descending: text?.startsWith("-") ?? false } : undefined;
}

export function writeOrder({ by, descending }: Order): string {
  return `${descending ? "-" : ""}${by}`;
}

/** What a column's head does: first its usual direction, then the other, then the server's order again. */
export function nextOrder(order: Order | undefined, by: Column): Order | undefined {
  const usual = by !== "name" && by !== "age";
  if (order?.by !== by) return { by, descending: usual };
  return order.descending === usual ? { by, descending: !usual } : undefined;
}

/** What is not known comes last either way. */
export function ordered(listings: readonly Listing[], order: Order | undefined): readonly Listing[] {
  if (!order) return listings;
  const figure = FIGURES[order.by];
  const way = order.descending ? -1 : 1;
  return listings.toSorted((one, other) => {
    const [a, b] = [figure(one), figure(other)];
    if (a === null || b === null) return Number(a === null) - Number(b === null);
    return a === b ? 0 : a < b ? -way : way;
  });
}

/** Those whose name or symbol holds what is looked for. */
export function found(listings: readonly Listing[], text: string): readonly Listing[] {
  const wanted = text.trim().toLowerCase();
  if (wanted === "") return listings;
  return listings.filter(
    ({ name, symbol }) => name.toLowerCase().includes(wanted) || symbol.toLowerCase().includes(wanted),
  );
}

function isColumn(text: string | undefined): text is Column {
  return text !== undefined && Object.hasOwn(FIGURES, text);
}
