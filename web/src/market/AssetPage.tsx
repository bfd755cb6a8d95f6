import { useQuery } from "@tanstack/react-query";
import { Bell } from "lucide-react";
import { Link, useSearchParams } from "wouter";
import { api, body, type Schema } from "../api/client";
import { useCoins } from "../api/coins";
import { Problem } from "../api/problem";
import { type Interval, isInterval } from "../chart/bars";
import { SeriesChart } from "../chart/SeriesChart";
import { useLiveStatus, useTickFeed } from "../live/hooks";
import { NewsList } from "../news/NewsList";
import { SentimentCard } from "../news/SentimentCard";
import { buttonClass } from "../ui/Button";
import { Card, Page } from "../ui/layout";
import { EmptyState, Loaded, Skeleton } from "../ui/states";
import { AssetMarkets } from "./AssetMarkets";
import css from "./AssetPage.module.css";
import { AssetQuote, QuoteSkeleton } from "./AssetQuote";
import { AssetVolatility } from "./AssetVolatility";
import { WatchButton } from "./WatchButton";
import { useWatchlist } from "./watchlist";

const LIVE_MS = 60_000;
const POLLED_MS = 10_000;
const NEWS = 8;

/** All about one symbol: its price, its chart, how it moves, what is written about it. */
export default function AssetPage({ symbol }: { symbol: string }) {
  const [search, setSearch] = useSearchParams();
  const venue = search.get("venue") ?? undefined;
  const asked = search.get("interval");
  const interval = isInterval(asked) ? asked : "1h";
  const isLive = useLiveStatus() === "live";
  const coins = useCoins().data?.items;
  const { watched, toggle } = useWatchlist();
  const price = useQuery({
    queryKey: ["price", symbol, venue ?? null],
    queryFn: () =>
      body(api.GET("/prices/{symbol}", { params: { path: { symbol }, query: { ...(venue && { venue }) } } })),
    refetchInterval: isLive ? LIVE_MS : POLLED_MS,
  });
  useTickFeed(price.data?.via === null ? [symbol] : [], 1000, venue);
  if (price.error instanceof Problem && price.error.status === 404) {
    return <Untraded symbol={symbol} reason={price.error.message} isVenue={venue !== undefined} />;
  }

  const [asset = "", quote = ""] = symbol.split("-");
  const coin = coins?.find((coin) => coin.asset === asset);
  const name = coin?.name ?? asset;
  const setInterval = (next: Interval) =>
    setSearch(
      (now) => {
        now.set("interval", next);
        return now;
      },
      { replace: true },
    );
  return (
    <Page
      title={`${name} ${symbol}`}
      heading={
        <span className={css.heading}>
          {name} <span className={css.symbol}>{symbol}</span>
          <WatchButton
            name={name}
            isWatched={watched.has(symbol)}
            onToggle={toggle && (() => toggle(symbol))}
          />
        </span>
      }
      actions={
        <>
          {coin && price.data ? (
            <AssetMarkets
              listed={coin.symbols}
              symbol={symbol}
              venue={price.data.venue}
              interval={interval}
            />
          ) : (
            <Skeleton height="2.5rem" width="10.5rem" />
          )}
          <Link href={`/alerts?symbol=${symbol}`} className={buttonClass("plain", true)}>
            <Bell size={16} aria-hidden />
            Add alert
          </Link>
        </>
      }
    >
      <Loaded query={price} skeleton={<QuoteSkeleton />}>
        {(known) => <AssetQuote price={known} asset={asset} quote={quote} />}
      </Loaded>
      <div className={css.columns}>
        {price.data?.via ? (
          <Converted symbol={symbol} via={price.data.via} listed={coin?.symbols ?? []} />
        ) : (
          <SeriesChart charted={{ symbol, venue, interval }} onInterval={setInterval} />
        )}
        <div className={css.aside}>
          {!price.data?.via && <AssetVolatility symbol={symbol} venue={venue} />}
          <SentimentCard asset={asset} />
        </div>
        <Card title="News" flush>
          <NewsList asset={asset} limit={NEWS} />
        </Card>
      </div>
    </Page>
  );
}

function Untraded({ symbol, reason, isVenue }: { symbol: string; reason: string; isVenue: boolean }) {
  return (
    <Page title={symbol}>
      <EmptyState
        title={isVenue ? "Not traded there" : "Not a symbol that is tracked"}
        action={
          <Link href={isVenue ? `/market/${symbol}` : "/"} className={buttonClass("primary")}>
            {isVenue ? `To ${symbol}` : "To the market"}
          </Link>
        }
      >
        {reason} {!isVenue && "Symbols are written like BTC-USD, in capitals."}
      </EmptyState>
    </Page>
  );
}

interface ConvertedProps {
  symbol: string;
  via: string;
  listed: readonly Schema["Listed"][];
}

/** Series are never converted, only the price is. */
function Converted({ symbol, via, listed }: ConvertedProps) {
  const [traded] = listed;
  return (
    <Card>
      <EmptyState
        title={`Nobody trades ${symbol} itself`}
        action={
          traded && (
            <Link href={`/market/${traded.symbol}`} className={buttonClass("primary")}>
              To the chart of {traded.symbol}
            </Link>
          )
        }
      >
        Its price is converted by {via}; candles are those of what is traded.
      </EmptyState>
    </Card>
  );
}
