import { useState } from "react";
import { useCoins } from "../../api/coins";
import { CodeInput } from "./CodeInput";
import { codeOf } from "./form";
import { isKind, KINDS } from "./kinds";
import type { Filter } from "./transactions";
import css from "./transactions.module.css";

const CODE = /^[A-Z0-9]{1,20}$/;

interface Props {
  filter: Filter;
  onChange: (change: Partial<Filter>) => void;
}

export function Filters({ filter, onChange }: Props) {
  return (
    <search className={css.filters}>
      <select
        aria-label="Type"
        value={filter.type ?? ""}
        onChange={({ target }) => onChange({ type: isKind(target.value) ? target.value : null })}
      >
        <option value="">All types</option>
        {Object.entries(KINDS).map(([kind, { name }]) => (
          <option key={kind} value={kind}>
            {name}
          </option>
        ))}
      </select>
      <AssetFilter key={filter.asset} asset={filter.asset} onChange={(asset) => onChange({ asset })} />
    </search>
  );
}

/** Asks the API when a code is whole: one that is known, or by Enter or leaving the input. */
function AssetFilter({
  asset,
  onChange,
}: {
  asset: string | null;
  onChange: (asset: string | null) => void;
}) {
  const [typed, setTyped] = useState(asset ?? "");
  const coins = useCoins().data?.items ?? [];

  function settle(text: string): void {
    const code = codeOf(text);
    if (code === (asset ?? "")) return;
    if (code === "" || CODE.test(code)) onChange(code || null);
  }

  return (
    <CodeInput
      id="transactions-asset"
      type="search"
      aria-label="Asset"
      placeholder="All assets"
      value={typed}
      onChange={({ target }) => {
        setTyped(target.value);
        const code = codeOf(target.value);
        if (code === "" || coins.some((coin) => coin.asset === code)) settle(code);
      }}
      onBlur={() => settle(typed)}
      onKeyDown={({ key }) => key === "Enter" && settle(typed)}
    />
  );
}
