import type { ReactNode } from "react";
import { Link } from "wouter";
import * as numbers from "../format/numbers";
import { Skeleton } from "../ui/states";
import { LiveChange } from "./LiveCells";
import type { Listing } from "./listings";
import css from "./MarketStrip.module.css";
import { ordered } from "./order";

/** The market at a glance. */
export function MarketStrip({ listings }: { listings: readonly Listing[] }) {
  const moved = ordered(listings, { by: "change", descending: true }).filter(
    ({ price }) => price.change_pct_24h != null,
  );
  const said = listings.flatMap(({ sentiment }) => sentiment?.label ?? []);
  const best = moved[0];
  const worst = moved.at(-1);
  return (
    <dl className={css.strip}>
      <Tile title="Up and down, 24 h">
        <Parts
          up={moved.filter(({ price }) => numbers.sign(price.change_pct_24h ?? 0) > 0).length}
          none={moved.filter(({ price }) => numbers.sign(price.change_pct_24h ?? 0) === 0).length}
          down={moved.filter(({ price }) => numbers.sign(price.change_pct_24h ?? 0) < 0).length}
          words={["up", "unchanged", "down"]}
        />
      </Tile>
      <Tile title="Best, 24 h">{best && <Mover listing={best} />}</Tile>
      <Tile title="Worst, 24 h">{worst && <Mover listing={worst} />}</Tile>
      <Tile title="News, 24 h">
        <Parts
          up={said.filter((label) => label === "positive").length}
          none={said.filter((label) => label === "neutral").length}
          down={said.filter((label) => label === "negative").length}
          words={["good", "neutral", "bad"]}
        />
      </Tile>
    </dl>
  );
}

export function StripSkeleton() {
  return (
    <dl className={css.strip} aria-hidden>
      {["Up and down, 24 h", "Best, 24 h", "Worst, 24 h", "News, 24 h"].map((title) => (
        <Tile key={title} title={title}>
          <Skeleton height="1rem" width="70%" />
        </Tile>
      ))}
    </dl>
  );
}

function Tile({ title, children }: { title: string; children: ReactNode }) {
  return (
    <div className={css.tile}>
      <dt>{title}</dt>
      <dd>{children}</dd>
    </div>
  );
}

function Mover({ listing: { symbol, name, price } }: { listing: Listing }) {
  return (
    <>
      <Link href={`/market/${symbol}`}>{name}</Link>
      <LiveChange price={price} />
    </>
  );
}

interface PartsProps {
  up: number;
  none: number;
  down: number;
  words: readonly [up: string, none: string, down: string];
}

/** How many of each of three, in words and as a bar. */
function Parts({ up, none, down, words }: PartsProps) {
  return (
    <>
      <span className="up">
        {up} {words[0]}
      </span>
      {none > 0 && (
        <span className="muted">
          {none} {words[1]}
        </span>
      )}
      <span className="down">
        {down} {words[2]}
      </span>
      <span className={css.parts} aria-hidden>
        {up > 0 && <span className={css.part} data-tone="up" style={{ flexGrow: up }} />}
        {none > 0 && <span className={css.part} data-tone="none" style={{ flexGrow: none }} />}
        {down > 0 && <span className={css.part} data-tone="down" style={{ flexGrow: down }} />}
      </span>
    </>
  );
}
