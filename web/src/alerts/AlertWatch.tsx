import { useQueryClient } from "@tanstack/react-query";
import { Link } from "wouter";
import { PRIVATE } from "../api/query";
import { useAlertFeed } from "../live/hooks";
import { toast } from "../ui/toasts";
import { firedWords } from "./words";

/** Tells of each alert as it fires, on whatever page one is. */
export function AlertWatch() {
  const client = useQueryClient();
  useAlertFeed((alerts) => {
    void client.invalidateQueries({ queryKey: [PRIVATE, "alerts"] });
    for (const alert of alerts) {
      const words = firedWords(alert);
      toast(<Link href="/alerts">{words}</Link>, "warning");
      notify(words, alert.id);
    }
  });
  return null;
}

function notify(words: string, tag: string): void {
  if (!("Notification" in window) || Notification.permission !== "granted") return;
  try {
    new Notification("CryptoPulse", { body: words, tag, icon: "/icon.svg" });
  } catch {
    // Chrome on Android lets only a service worker notify; the toast has told it.
  }
}
