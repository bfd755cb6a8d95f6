import { type Theme, usePreferences } from "../app/preferences";
import { CURRENCIES, currencyOf, METHODS, methodOf } from "../portfolio/methods";
import { Field } from "../ui/Field";
import { Card, Fields } from "../ui/layout";
import { Segmented } from "../ui/Segmented";
import { ErrorState } from "../ui/states";

const THEMES: readonly (readonly [Theme, string])[] = [
  ["system", "System"],
  ["light", "Light"],
  ["dark", "Dark"],
];

export function PreferenceSettings() {
  const { preferences, change, error, reload } = usePreferences();
  if (!change && error) return <ErrorState error={error} onRetry={reload} />;
  return (
    <>
      <Card title="Appearance">
        <Segmented
          label="Theme"
          options={THEMES}
          value={preferences.theme}
          disabled={!change}
          onChange={(theme) => change?.({ theme })}
        />
      </Card>
      <Card title="New portfolios">
        <Fields columns>
          <Field label="Base currency" hint="What amounts are told in.">
            {(input) => (
              <select
                {...input}
                value={preferences.base_currency}
                disabled={!change}
                onChange={({ target }) => {
                  const base_currency = currencyOf(target.value);
                  if (base_currency) change?.({ base_currency });
                }}
              >
                {CURRENCIES.map(([value, name]) => (
                  <option key={value} value={value}>
                    {name}
                  </option>
                ))}
              </select>
            )}
          </Field>
          <Field label="Cost basis" hint="Which lots a sale takes.">
            {(input) => (
              <select
                {...input}
                value={preferences.cost_basis}
                disabled={!change}
                onChange={({ target }) => {
                  const cost_basis = methodOf(target.value);
                  if (cost_basis) change?.({ cost_basis });
                }}
              >
                {METHODS.map(({ value, name }) => (
                  <option key={value} value={value}>
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
