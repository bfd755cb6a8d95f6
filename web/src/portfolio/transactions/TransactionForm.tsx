import type { UseMutationResult } from "@tanstack/react-query";
import { type ReactNode, useRef, useState } from "react";
import { Button } from "../../ui/Button";
import { Field, type InputProps } from "../../ui/Field";
import { submitted } from "../../ui/forms";
import { Actions, Fields } from "../../ui/layout";
import { fieldErrors, ProblemNote } from "../../ui/states";
import { CURRENCIES } from "../methods";
import type { Portfolio } from "../portfolios";
import { CodeInput } from "./CodeInput";
import { ConflictNote, conflictOf } from "./ConflictNote";
import {
  type Draft,
  type Errors,
  FIELD_NAMES,
  type FieldName,
  hasField,
  read,
  totalOf,
  utcOf,
  type Values,
} from "./form";
import { isKind, KINDS } from "./kinds";
import { TargetField } from "./TargetField";
import { TotalPreview } from "./TotalPreview";
import css from "./transactions.module.css";

interface Props {
  /** Where it is entered. */
  portfolio: Portfolio;
  /** The transaction that is edited; null for a new one. */
  transaction: string | null;
  initial: Values;
  save: UseMutationResult<unknown, Error, Draft>;
  action: string;
  onClose: () => void;
  /** An action beside those of every form. */
  extra?: ReactNode;
}

export function TransactionForm({ portfolio, transaction, initial, save, action, onClose, extra }: Props) {
  const [values, setValues] = useState(initial);
  const [errors, setErrors] = useState<Errors>({});
  const form = useRef<HTMLFormElement>(null);
  const { type } = values;
  const conflict = conflictOf(save.error);
  const refused = fieldErrors(save.error);
  const isToldAtField = FIELD_NAMES.some((field) => refused[field] !== undefined && hasField(type, field));

  function set(field: FieldName, text: string): void {
    setValues((before) => ({ ...before, [field]: text }));
    setErrors(({ [field]: _, ...rest }) => rest);
  }

  function refuse(found: Errors): void {
    setErrors(found);
    requestAnimationFrame(() => {
      const field = form.current?.querySelector<HTMLElement>("[aria-invalid]");
      if (field) field.focus();
      else form.current?.scrollIntoView({ block: "end" }); // the note stands at the end
    });
  }

  function submit(): void {
    const told = read(values, Date.now());
    if ("errors" in told) {
      refuse(told.errors);
      return;
    }
    setErrors({});
    save.mutate(told.draft, { onError: (error) => refuse(fieldErrors(error)) });
  }

  function bound(field: FieldName, input: InputProps) {
    return {
      ...input,
      name: field,
      value: values[field],
      onChange: (event: { target: { value: string } }) => set(field, event.target.value),
    };
  }

  function decimal(
    field: FieldName,
    label: string,
    more: { optional?: boolean; hint?: string | undefined } = {},
  ) {
    return (
      <Field label={label} error={errors[field]} {...more}>
        {(input) => <input {...bound(field, input)} inputMode="decimal" autoComplete="off" maxLength={60} />}
      </Field>
    );
  }

  return (
    <form ref={form} noValidate onSubmit={submitted(submit)}>
      <Fields>
        <Field label="Type" hint={KINDS[type].text} error={errors.type}>
          {(input) => (
            <select
              {...bound("type", input)}
              onChange={({ target }) => isKind(target.value) && set("type", target.value)}
            >
              {Object.entries(KINDS).map(([kind, { name }]) => (
                <option key={kind} value={kind}>
                  {name}
                </option>
              ))}
            </select>
          )}
        </Field>
        <div className={css.pair}>
          <Field label={type === "trade" ? "Asset given" : "Asset"} error={errors.asset}>
            {(input) => <CodeInput {...bound("asset", input)} placeholder="BTC" />}
          </Field>
          {decimal("quantity", type === "trade" ? "Quantity given" : "Quantity")}
          {type === "trade" && (
            <>
              <Field label="Asset received" error={errors.counter_asset}>
                {(input) => <CodeInput {...bound("counter_asset", input)} placeholder="ETH" />}
              </Field>
              {decimal("counter_quantity", "Quantity received")}
            </>
          )}
        </div>
        {type === "transfer" && (
          <TargetField
            source={portfolio.id}
            error={errors.to_portfolio_id}
            bind={(input) => bound("to_portfolio_id", input)}
          />
        )}
        {hasField(type, "price") && (
          <div className={css.amount}>
            {decimal("price", "Unit price", {
              optional: KINDS[type].price !== "needed",
              hint: KINDS[type].price === "fallback" ? "Used only where the market has none." : undefined,
            })}
            <Field label="Currency" error={errors.currency}>
              {(input) => (
                <select {...bound("currency", input)}>
                  {CURRENCIES.map(([currency]) => (
                    <option key={currency}>{currency}</option>
                  ))}
                </select>
              )}
            </Field>
          </div>
        )}
        {hasField(type, "fee") && (
          <div className={css.amount}>
            {decimal("fee", "Fee", { optional: true })}
            <Field label="Paid in" error={errors.fee_asset}>
              {(input) => (
                <CodeInput
                  {...bound("fee_asset", input)}
                  placeholder={values.currency}
                  first={CURRENCIES.map(([currency]) => currency)}
                />
              )}
            </Field>
          </div>
        )}
        <Field label="Time" hint={utcOf(values.time)} error={errors.time}>
          {(input) => (
            <input {...bound("time", input)} type="datetime-local" step={1} min="2009-01-03T00:00:00" />
          )}
        </Field>
        <Field label="Note" optional error={errors.note}>
          {(input) => <input {...bound("note", input)} maxLength={500} autoComplete="off" />}
        </Field>
        {hasField(type, "price") && (
          <TotalPreview total={totalOf(values)} isOptional={KINDS[type].price !== "needed"} />
        )}
        {conflict && <ConflictNote conflict={conflict} portfolio={portfolio.id} transaction={transaction} />}
        {!conflict && !isToldAtField && <ProblemNote error={save.error} />}
        <Actions>
          {extra}
          <Button onClick={onClose}>Cancel</Button>
          <Button type="submit" kind="primary" busy={save.isPending}>
            {action}
          </Button>
        </Actions>
      </Fields>
    </form>
  );
}
