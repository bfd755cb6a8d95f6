import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { download } from "../../api/client";
import { Button } from "../../ui/Button";
import { Dialog } from "../../ui/Dialog";
import { Field } from "../../ui/Field";
import { submitted } from "../../ui/forms";
import { Actions, Fields } from "../../ui/layout";
import { ProblemNote } from "../../ui/states";
import type { Portfolio } from "../portfolios";

const FIRST_YEAR = 2009;

export function ExportDialog({ portfolio, onClose }: { portfolio: Portfolio; onClose: () => void }) {
  const [year, setYear] = useState("");
  const thisYear = new Date().getUTCFullYear();
  const years = Array.from({ length: thisYear - FIRST_YEAR + 1 }, (_, ago) => thisYear - ago);
  const fetchFile = useMutation({
    mutationFn: () =>
      download(
        `/portfolios/${portfolio.id}/transactions/export${year && `?year=${year}`}`,
        "text/csv",
        "transactions.csv",
      ),
    onSuccess: onClose,
  });
  return (
    <Dialog title="Export transactions" onClose={onClose}>
      <form onSubmit={submitted(() => fetchFile.mutate())}>
        <Fields>
          <Field
            label="Year"
            hint="Years are of UTC. The file is CSV with all digits; the import takes it back unchanged."
          >
            {(input) => (
              <select {...input} value={year} onChange={({ target }) => setYear(target.value)}>
                <option value="">All years</option>
                {years.map((each) => (
                  <option key={each}>{each}</option>
                ))}
              </select>
            )}
          </Field>
          <ProblemNote error={fetchFile.error} />
          <Actions>
            <Button onClick={onClose}>Cancel</Button>
            <Button type="submit" kind="primary" busy={fetchFile.isPending}>
              Download
            </Button>
          </Actions>
        </Fields>
      </form>
    </Dialog>
  );
}
