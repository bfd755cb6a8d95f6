const NAMES: Readonly<Record<string, string>> = { binance: "Binance", coinbase: "Coinbase" };

export function venueName(venue: string): string {
  return NAMES[venue] ?? venue;
}
