import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { api, body, type Schema } from "../api/client";
import { useCoins } from "../api/coins";
import { idempotencyKeys } from "../api/idempotencyKeys";
import { PRIVATE } from "../api/query";
import * as numbers from "../format/numbers";
import { useTick, useTickFeed } from "../live/hooks";
import { Button } from "../ui/Button";
import { Dialog } from "../ui/Dialog";
import { Field } from "../ui/Field";
import { submitted } from "../ui/forms";
import { Actions, Fields } from "../ui/layout";
import { SecretDialog } from "../ui/SecretDialog";
import { Segmented } from "../ui/Segmented";
import { fieldErrors, ProblemNote } from "../ui/states";
import { toast } from "../ui/toasts";
import css from "./alerts.module.css";
import { type AlertChange, alertChange, type Condition, type NewAlert, newAlert } from "./form";
import { quoteOf } from "./words";

type Alert = Schema["AlertView"];
type Sent = { make: NewAlert } | { change: AlertChange };

const CONDITIONS: readonly (readonly [Condition, string])[] = [
  ["above", "Above"],
  ["below", "Below"],
  ["change_pct", "Changes by %"],
];
const WINDOWS = ["5m", "15m", "1h", "4h", "12h", "24h"];

interface Props {
  /** The one to change; without it a new one is made. */
  alert?: Alert;
  symbol: string;
  onClose: () => void;
}

export function AlertDialog({ alert, symbol: first, onClose }: Props) {
  const client = useQueryClient();
  const [symbol, setSymbol] = useState(first);
  const [condition, setCondition] = useState<Condition>(alert?.condition ?? "above");
  const [fault, setFault] = useState<string>();
  const [keyOf] = useState(idempotencyKeys);
  const save = useMutation({
    mutationFn: async (sent: Sent): Promise<Schema["SecretAlertView"] | Alert> =>
      "make" in sent
        ? body(
            api.POST("/alerts", {
              body: sent.make,
              params: { header: { "Idempotency-Key": keyOf(sent.make) } },
            }),
          )
        : body(
            api.PATCH("/alerts/{alert_id}", {
              params: { path: { alert_id: alert?.id ?? "" } },
              body: sent.change,
            }),
          ),
    onSuccess: (saved) => {
      void client.invalidateQueries({ queryKey: [PRIVATE, "alerts"] });
      if (secretOf(saved) === undefined) {
        toast(alert ? "The alert is changed." : "The alert is armed.", "up");
        onClose();
      }
    },
  });
  const secret = save.data && secretOf(save.data);
  if (secret !== undefined) {
    return (
      <SecretDialog title="The webhook’s secret" label="Secret" secret={secret} onClose={onClose}>
        The alert is armed. Each call carries <code>CryptoPulse-Signature</code>, made with this secret.
      </SecretDialog>
    );
  }

  const errors = fieldErrors(save.error);
  const isChange = condition === "change_pct";
  return (
    <Dialog
      title={alert ? `Edit alert on ${alert.symbol}` : "New alert"}
      onClose={onClose}
      dismissible={!save.isPending}
    >
      <form
        onSubmit={submitted((form) => {
          const read = alert ? alertChange(form, condition) : newAlert(form, condition);
          setFault("fault" in read ? read.fault : undefined);
          if ("asked" in read)
            save.mutate("symbol" in read.asked ? { make: read.asked } : { change: read.asked });
        })}
      >
        <Fields>
          {!alert && (
            <>
              <SymbolField symbol={symbol} onChange={setSymbol} error={errors.symbol ?? errors.venue} />
              <Segmented label="Condition" options={CONDITIONS} value={condition} onChange={setCondition} />
            </>
          )}
          <Fields columns>
            {isChange && (
              <Field label="Direction">
                {(input) => (
                  <select
                    {...input}
                    name="direction"
                    defaultValue={alert?.threshold.startsWith("-") ? "down" : "up"}
                  >
                    <option value="up">up</option>
                    <option value="down">down</option>
                  </select>
                )}
              </Field>
            )}
            <Field
              label={isChange ? "Per cent" : `Price in ${quoteOf(symbol) || "the quote currency"}`}
              hint={isChange ? undefined : <PriceNow symbol={symbol} />}
              error={fault ?? errors.threshold}
            >
              {(input) => (
                <input
                  {...input}
                  name="threshold"
                  inputMode="decimal"
                  autoComplete="off"
                  required
                  defaultValue={alert?.threshold.replace(/^-/, "")}
                />
              )}
            </Field>
            {isChange && (
              <Field label="Within" error={errors.window}>
                {(input) => (
                  <select {...input} name="window" defaultValue={alert?.window ?? "1h"}>
                    {[...new Set([...WINDOWS, alert?.window ?? "1h"])].map((window) => (
                      <option key={window}>{window}</option>
                    ))}
                  </select>
                )}
              </Field>
            )}
          </Fields>
          <label className={css.check}>
            <input type="checkbox" name="repeat" defaultChecked={alert?.repeat ?? false} />
            Again each time, once the price has come back by 0.5 %
          </label>
          <Field
            label="Webhook"
            optional
            hint="An https address that is told too; signed."
            error={errors.webhook_url}
          >
            {(input) => (
              <input
                {...input}
                name="webhook_url"
                type="url"
                maxLength={2000}
                defaultValue={alert?.webhook_url ?? ""}
              />
            )}
          </Field>
          <Field label="Note" optional error={errors.note}>
            {(input) => <input {...input} name="note" maxLength={500} defaultValue={alert?.note ?? ""} />}
          </Field>
          {Object.keys(errors).length === 0 && <ProblemNote error={save.error} />}
          <Actions>
            <Button disabled={save.isPending} onClick={onClose}>
              Cancel
            </Button>
            <Button type="submit" kind="primary" busy={save.isPending}>
              {alert ? "Save alert" : "Make alert"}
            </Button>
          </Actions>
        </Fields>
      </form>
    </Dialog>
  );
}

function secretOf(saved: Schema["SecretAlertView"] | Alert): string | undefined {
  return "webhook_secret" in saved ? saved.webhook_secret : undefined;
}

interface SymbolProps {
  symbol: string;
  onChange: (symbol: string) => void;
  error: string | undefined;
}

function SymbolField({ symbol, onChange, error }: SymbolProps) {
  const coins = useCoins();
  const symbols = [
    ...new Set(coins.data?.items.flatMap((coin) => coin.symbols.map(({ symbol }) => symbol)) ?? [symbol]),
  ];
  return (
    <Field label="Symbol" error={error}>
      {(input) => (
        <>
          <input
            {...input}
            name="symbol"
            list="alert-symbols"
            autoComplete="off"
            required
            value={symbol}
            onChange={(event) => onChange(event.target.value.toUpperCase())}
          />
          <datalist id="alert-symbols">
            {symbols.map((each) => (
              <option key={each} value={each} />
            ))}
          </datalist>
        </>
      )}
    </Field>
  );
}

/** The price beside which the threshold is chosen. */
function PriceNow({ symbol }: { symbol: string }) {
  const isWhole = /^[A-Z0-9]+-[A-Z]{3,5}$/.test(symbol);
  const first = useQuery({
    queryKey: ["price", symbol],
    queryFn: () => body(api.GET("/prices/{symbol}", { params: { path: { symbol } } })),
    enabled: isWhole,
    retry: false,
  });
  useTickFeed(first.data ? [symbol] : []);
  const price = useTick(symbol, first.data?.venue)?.price ?? first.data?.price;
  return price == null ? <>&nbsp;</> : <>Now {numbers.price(price, quoteOf(symbol))}</>;
}
