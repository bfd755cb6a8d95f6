import { Link } from "wouter";
import { type Conflict, Problem } from "../../api/problem";
import { Quantity, Time } from "../../ui/figures";
import css from "./transactions.module.css";

interface Props {
  conflict: Conflict;
  /** The portfolio that is shown. */
  portfolio: string;
  /** The transaction that was to be changed or removed; null where one was to be added. */
  transaction: string | null;
}

/** Which disposal would have too little to take, and what to do about it. */
export function ConflictNote({ conflict, portfolio, transaction }: Props) {
  const isOwn = conflict.transaction_id === transaction;
  const missing = <Quantity value={conflict.missing} asset={conflict.asset} />;
  const where = conflict.portfolio_id !== portfolio && (
    <>
      {" "}
      in <Link href={`/portfolios/${conflict.portfolio_id}/transactions`}>the other portfolio</Link>
    </>
  );
  return (
    <div className={css.conflict} role="alert">
      {isOwn ? (
        <p>
          That takes more {conflict.asset} than there was on <Time value={conflict.time} />
          {where}: {missing} is missing. Lower the amount, or add first how the rest was acquired.
        </p>
      ) : (
        <p>
          {conflict.asset} given on <Time value={conflict.time} />
          {where} would then be {missing} short. Change or delete that one first, or add how the missing part
          was acquired.
        </p>
      )}
    </div>
  );
}

export function conflictOf(error: Error | null): Conflict | undefined {
  return error instanceof Problem ? error.conflict : undefined;
}
