import { Link } from "wouter";
import type { Schema } from "../../api/client";
import { quantity } from "../../format/numbers";
import { buttonClass } from "../../ui/Button";
import { listed } from "../lists";
import { Notice } from "../Notice";

interface Props {
  id: string;
  unpriced: readonly string[];
  missing: readonly Schema["Lack"][];
}

/** What the figures of a portfolio leave out, and how that can be mended. */
export function Lacks({ id, unpriced, missing }: Props) {
  return (
    <>
      {missing.length > 0 && <MissingNotice id={id} missing={missing} />}
      {unpriced.length > 0 && (
        <Notice>
          <strong>{listed(unpriced)}</strong> {unpriced.length === 1 ? "has" : "have"} no price on any market
          we follow, and {unpriced.length === 1 ? "counts" : "count"} nothing in value and totals. If a code
          is mistyped, correct it in the transactions.
        </Notice>
      )}
    </>
  );
}

export function MissingNotice({ id, missing }: Omit<Props, "unpriced">) {
  return (
    <Notice
      action={
        <Link href={`/portfolios/${id}/transactions`} className={buttonClass("plain", true)}>
          To the transactions
        </Link>
      }
    >
      More was sold or sent than was bought here:{" "}
      <strong>{listed(missing.map(({ asset, quantity: lack }) => `${quantity(lack)} ${asset}`))}</strong>. The
      cost of that counts as 0, so gains are too high. Enter or import how you came by it.
    </Notice>
  );
}
