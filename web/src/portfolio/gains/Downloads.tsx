import { useMutation } from "@tanstack/react-query";
import { Download } from "lucide-react";
import { download } from "../../api/client";
import { Button } from "../../ui/Button";
import { toast } from "../../ui/toasts";
import type { Method, Portfolio } from "../portfolios";
import css from "./Gains.module.css";

const XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";

interface Props {
  portfolio: Portfolio;
  year: number;
  method: Method;
}

/** The year to take along: its rows, or a statement with holdings and returns by the portfolio's own method. */
export function Downloads({ portfolio: { id }, year, method }: Props) {
  const statement = `/portfolios/${id}/statement?year=${year}`;
  return (
    <div className={css.downloads}>
      <DownloadButton
        path={`/portfolios/${id}/gains?year=${year}&method=${method}`}
        accept="text/csv"
        name={`gains-${year}.csv`}
      >
        Gains as CSV
      </DownloadButton>
      <DownloadButton path={statement} accept={XLSX} name={`statement-${year}.xlsx`}>
        Statement as XLSX
      </DownloadButton>
      <DownloadButton path={statement} accept="text/html" name={`statement-${year}.html`}>
        Statement as HTML
      </DownloadButton>
    </div>
  );
}

interface ButtonProps {
  path: string;
  accept: string;
  name: string;
  children: string;
}

function DownloadButton({ path, accept, name, children }: ButtonProps) {
  const fetched = useMutation({
    mutationFn: () => download(path, accept, name),
    onError: (error) => toast(error.message, "down"),
  });
  return (
    <Button small busy={fetched.isPending} onClick={() => fetched.mutate()}>
      {!fetched.isPending && <Download size={16} aria-hidden />}
      {children}
    </Button>
  );
}
