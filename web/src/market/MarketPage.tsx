import { SearchX, Star } from "lucide-react";
import { useSearchParams } from "wouter";
import { Button } from "../ui/Button";
import { Card, Page } from "../ui/layout";
import { EmptyState, Loaded, SkeletonRows } from "../ui/states";
import { type Listing, useListings } from "./listings";
import { MarketStrip, StripSkeleton } from "./MarketStrip";
import { MarketTable } from "./MarketTable";
import { MarketTools, type Shown } from "./MarketTools";
import { found, ordered, readOrder, writeOrder } from "./order";
import { useWatchlist } from "./watchlist";

export function MarketPage() {
  const listings = useListings();
  return (
    <Page title="Market" lead="Live prices in US dollars; changes are against 24 hours ago.">
      <Loaded query={listings} skeleton={<MarketSkeleton />}>
        {(all) => (
          <>
            <MarketStrip listings={all} />
            <Market all={all} />
          </>
        )}
      </Loaded>
    </Page>
  );
}

function Market({ all }: { all: readonly Listing[] }) {
  const { watched, toggle } = useWatchlist();
  const [search, setSearch] = useSearchParams();
  const text = search.get("q") ?? "";
  const shown: Shown = search.get("show") === "watchlist" ? "watchlist" : "all";
  const order = readOrder(search.get("sort"));
  const set = (name: string, value: string) =>
    setSearch(
      (before) => {
        const next = new URLSearchParams(before);
        if (value === "") next.delete(name);
        else next.set(name, value);
        return next;
      },
      { replace: true },
    );
  const chosen = shown === "all" ? all : all.filter(({ symbol }) => watched.has(symbol));
  const listings = ordered(found(chosen, text), order);
  return (
    <Card flush>
      <MarketTools
        text={text}
        onText={(next) => set("q", next)}
        shown={shown}
        onShown={(next) => set("show", next === "all" ? "" : next)}
        order={order}
        onOrder={(next) => set("sort", next ? writeOrder(next) : "")}
        count={
          listings.length === all.length
            ? `${all.length} assets`
            : `${listings.length} of ${all.length} assets`
        }
      />
      {listings.length > 0 ? (
        <MarketTable
          listings={listings}
          watched={watched}
          onWatch={toggle}
          order={order}
          onOrder={(next) => set("sort", next ? writeOrder(next) : "")}
        />
      ) : text.trim() !== "" ? (
        <EmptyState
          title={`Nothing here is called “${text.trim()}”`}
          icon={<SearchX size={28} aria-hidden />}
          action={<Button onClick={() => set("q", "")}>Clear the search</Button>}
        >
          Search by a name or a symbol, as Bitcoin or BTC.
        </EmptyState>
      ) : (
        <EmptyState
          title="Your watchlist is empty"
          icon={<Star size={28} aria-hidden />}
          action={<Button onClick={() => set("show", "")}>Show all assets</Button>}
        >
          Touch the star of an asset to follow it here.
        </EmptyState>
      )}
    </Card>
  );
}

function MarketSkeleton() {
  return (
    <>
      <StripSkeleton />
      <Card flush>
        <SkeletonRows rows={12} height="3.75rem" />
      </Card>
    </>
  );
}
