import { type Preferences, type Theme, usePreferences } from "../app/preferences";
import { Field } from "../ui/Field";
import { Card, Fields } from "../ui/layout";
import { Segmented } from "../ui/Segmented";

const THEMES: readonly (readonly [Theme, string])[] = [
  ["system", "System"],
  ["light", "Light"],
  ["dark", "Dark"],
];
const CURRENCIES: readonly Preferences["base_currency"][] = ["USD", "EUR", "GBP", "USDT", "BTC"];
const METHODS: readonly (readonly [Preferences["cost_basis"], string])[] = [
  ["fifo", "First in, first out (FIFO)"],
  ["lifo", "Last in, first out (LIFO)"],
  ["hifo", "The dearest first (HIFO)"],
  ["acb", "Average cost (ACB)"],
];

export function PreferenceSettings() {
  const { preferences, change } = usePreferences();
  const currency = CURRENCIES.find((each) => each === preferences.base_currency);
  return (
    <>
      <Card title="Appearance">
        <Segmented
          label="Theme"
          options={THEMES}
          value={preferences.theme}
          onChange={(theme) => change({ theme })}
        />
      </Card>
      <Card title="New portfolios">
        <Fields columns>
          <Field label="Base currency" hint="What amounts are told in.">
            {(input) => (
              <select
                {...input}
                value={currency}
                onChange={(event) => {
                  const chosen = CURRENCIES.find((each) => each === event.target.value);
                  if (chosen) change({ base_currency: chosen });
                }}
              >
                {CURRENCIES.map((each) => (
                  <option key={each}>{each}</option>
                ))}
              </select>
            )}
          </Field>
          <Field label="Cost basis" hint="Which lots a sale takes.">
            {(input) => (
              <select
                {...input}
                value={preferences.cost_basis}
                onChange={(event) => {
                  const chosen = METHODS.find(([method]) => method === event.target.value);
                  if (chosen) change({ cost_basis: chosen[0] });
                }}
              >
                {METHODS.map(([method, name]) => (
                  <option key={method} value={method}>
                    {name}
                  </option>
                ))}
              </select>
            )}
          </Field>
        </Fields>
      </Card>
    </>
  );
}
