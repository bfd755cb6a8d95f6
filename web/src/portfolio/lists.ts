const LIST = new Intl.ListFormat(undefined, { type: "conjunction" });

/** "BTC, ETH, and SOL", in the browser's language. */
export function listed(items: readonly string[]): string {
  return LIST.format(items);
}
