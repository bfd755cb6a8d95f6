import { Search } from "lucide-react";
import { useEffect, useRef } from "react";
import { Segmented } from "../ui/Segmented";
import css from "./MarketTools.module.css";
import { type Order, readOrder, writeOrder } from "./order";

export type Shown = "all" | "watchlist";

const SHOWN = [
  ["all", "All"],
  ["watchlist", "Watchlist"],
] as const;

const ORDERS = [
  ["", "Market order"],
  ["-change", "Best first"],
  ["change", "Worst first"],
  ["-price", "Highest price first"],
  ["-volume", "Most traded first"],
  ["-sentiment", "Best news first"],
  ["name", "By name"],
] as const;

interface Props {
  text: string;
  onText: (text: string) => void;
  shown: Shown;
  onShown: (shown: Shown) => void;
  order: Order | undefined;
  onOrder: (order: Order | undefined) => void;
  /** How many are shown, of how many. */
  count: string;
}

export function MarketTools({ text, onText, shown, onShown, order, onOrder, count }: Props) {
  return (
    <search className={css.tools}>
      <SearchField text={text} onText={onText} />
      <Segmented label="Which assets" options={SHOWN} value={shown} onChange={onShown} />
      <select
        className={css.sort}
        aria-label="Order"
        value={order ? writeOrder(order) : ""}
        onChange={({ target }) => onOrder(readOrder(target.value))}
      >
        {ORDERS.map(([value, name]) => (
          <option key={value} value={value}>
            {name}
          </option>
        ))}
      </select>
      <p className={css.count} role="status">
        {count}
      </p>
    </search>
  );
}

function SearchField({ text, onText }: Pick<Props, "text" | "onText">) {
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => {
    const focus = (event: KeyboardEvent) => {
      if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target))
        return;
      event.preventDefault();
      input.current?.select();
    };
    document.addEventListener("keydown", focus);
    return () => document.removeEventListener("keydown", focus);
  }, []);
  return (
    <div className={css.search}>
      <Search size={16} aria-hidden />
      <input
        ref={input}
        type="search"
        aria-label="Search by name or symbol"
        aria-keyshortcuts="/"
        placeholder="Search"
        autoComplete="off"
        spellCheck={false}
        value={text}
        onChange={({ target }) => onText(target.value)}
        onKeyDown={({ key }) => key === "Escape" && onText("")}
      />
      <kbd className={css.key} aria-hidden>
        /
      </kbd>
    </div>
  );
}

function isTyping(target: EventTarget | null): boolean {
  return (
    target instanceof HTMLElement && (target.isContentEditable || target.matches("input, select, textarea"))
  );
}
