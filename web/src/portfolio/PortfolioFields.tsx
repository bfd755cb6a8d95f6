import { Field, fieldMessage } from "../ui/Field";
import { raw, text } from "../ui/forms";
import { Fields } from "../ui/layout";
import { CURRENCIES, currencyOf, METHODS, methodOf } from "./methods";
import css from "./PortfolioFields.module.css";
import type { Currency, Method } from "./portfolios";

export interface PortfolioForm {
  name: string;
  base_currency: Currency;
  cost_basis: Method;
}

const NAME_LENGTH = 100;

interface Props {
  /** What it begins with. */
  from: PortfolioForm;
  errors: Readonly<Record<string, string>>;
  currencyHint: string;
}

export function PortfolioFields({ from, errors, currencyHint }: Props) {
  return (
    <Fields>
      <Field label="Name" error={errors.name}>
        {(input) => (
          <input
            {...input}
            name="name"
            required
            maxLength={NAME_LENGTH}
            autoComplete="off"
            placeholder="Long-term savings"
            defaultValue={from.name}
          />
        )}
      </Field>
      <Field label="Base currency" hint={currencyHint} error={errors.base_currency}>
        {(input) => (
          <select {...input} name="base_currency" defaultValue={from.base_currency}>
            {CURRENCIES.map(([value, name]) => (
              <option key={value} value={value}>
                {name}
              </option>
            ))}
          </select>
        )}
      </Field>
      <fieldset className={css.methods}>
        <legend>Cost basis</legend>
        <p className={css.lead}>
          What the coins you sell had cost, where you bought them at several prices. Tax law often prescribes
          one; it can be changed at any time.
        </p>
        {METHODS.map(({ value, name, text }) => (
          <label key={value} className={css.method}>
            <input type="radio" name="cost_basis" value={value} defaultChecked={value === from.cost_basis} />
            <span>
              <span className={css.name}>{name}</span>
              <span className={css.text}>{text}</span>
            </span>
          </label>
        ))}
        {errors.cost_basis && (
          <p className={css.error} role="alert">
            {fieldMessage("Cost basis", errors.cost_basis)}
          </p>
        )}
      </fieldset>
    </Fields>
  );
}

export function portfolioForm(form: FormData, before: PortfolioForm): PortfolioForm {
  return {
    name: text(form, "name"),
    base_currency: currencyOf(raw(form, "base_currency")) ?? before.base_currency,
    cost_basis: methodOf(raw(form, "cost_basis")) ?? before.cost_basis,
  };
}
