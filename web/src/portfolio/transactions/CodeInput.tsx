import type { InputHTMLAttributes } from "react";
import { useCoins } from "../../api/coins";
import css from "./transactions.module.css";

interface Props extends InputHTMLAttributes<HTMLInputElement> {
  id: string;
  /** Suggested before the coins. */
  first?: readonly string[];
}

/** An asset's code: those that the market knows are suggested, any other is taken too. */
export function CodeInput({ first = [], ...rest }: Props) {
  const coins = useCoins().data?.items ?? [];
  const list = `${rest.id}-codes`;
  return (
    <>
      <input
        {...rest}
        className={css.code}
        list={list}
        autoComplete="off"
        autoCapitalize="characters"
        spellCheck={false}
        maxLength={20}
      />
      <datalist id={list}>
        {first.map((code) => (
          <option key={code} value={code} />
        ))}
        {coins
          .filter(({ asset }) => !first.includes(asset))
          .map(({ asset, name }) => (
            <option key={asset} value={asset}>
              {name}
            </option>
          ))}
      </datalist>
    </>
  );
}
