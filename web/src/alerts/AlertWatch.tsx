import { useQueryClient } from "@tanstack/react-query";
import { Link } from "wouter";
import { PRIVATE } from "../api/query";
import { useAlertFeed } from "../live/hooks";
import { toast } from "../ui/toasts";
import { notify } from "./notify";
import { firedWords } from "./words";

/** Tells of each alert as it fires, on whatever page one is. */
export function AlertWatch() {
  const client = useQueryClient();
  useAlertFeed((alerts) => {
    void client.invalidateQueries({ queryKey: [PRIVATE, "alerts"] });
    for (const alert of alerts) {
      const words = firedWords(alert);
      toast(<Link href="/alerts">{words}</Link>, "warning");
      void notify(words, alert.id);
    }
  });
  return null;
}
