import { useQueryClient } from "@tanstack/react-query";
import { Link } from "wouter";
import { PRIVATE } from "../api/query";
import { useAlertFeed } from "../live/hooks";
import { toast } from "../ui/toasts";
import { firedWords } from "./words";

/** Tells of each alert as it fires, on whatever page one is. */
export default function AlertWatch() {
  const client = useQueryClient();
  useAlertFeed((alerts) => {
    for (const alert of alerts) {
      const words = firedWords(alert);
      toast(<Link href="/alerts">{words}</Link>, "warning");
      if ("Notification" in window && Notification.permission === "granted") {
        new Notification("CryptoPulse", { body: words, tag: alert.id, icon: "/icon.svg" });
      }
    }
    void client.invalidateQueries({ queryKey: [PRIVATE, "alerts"] });
  });
  return null;
}
