import { useQuery } from "@tanstack/react-query";
import { FlaskConical, TriangleAlert } from "lucide-react";
import type { Schema } from "../api/client";
import { Problem } from "../api/problem";
import { useLiveStatus } from "../live/hooks";
import css from "./status.module.css";

const WORDS = {
  idle: "",
  connecting: "Connecting",
  live: "Live",
  reconnecting: "Reconnecting",
  offline: "Offline",
} as const;

/** Whether what is shown changes as the market does. */
export function LiveStatus() {
  const status = useLiveStatus();
  return (
    <p className={css.live} data-status={status} role="status">
      <span className={css.dot} aria-hidden />
      <span className={css.word}>{WORDS[status]}</span>
    </p>
  );
}

/** How the system does; `down` answers 503, with the same body. */
export function useHealth() {
  return useQuery({
    queryKey: ["health"],
    queryFn: health,
    refetchInterval: 30_000,
  });
}

async function health(): Promise<Schema["Health"]> {
  const response = await fetch("/api/health").catch(() => {
    throw Problem.unreachable();
  });
  if (response.ok || response.status === 503) {
    const told: Partial<Schema["Health"]> = await response.clone().json();
    if (told.checks && told.status && told.feeds) return response.json();
  }
  throw await Problem.of(response);
}

/** Says what everybody must know: simulated prices, late ones, no connection. */
export function SystemBanner() {
  const { data } = useHealth();
  const live = useLiveStatus();
  if (live === "offline") {
    return (
      <Banner tone="warning">
        You are offline. What you see is the last that came; it goes on by itself.
      </Banner>
    );
  }
  if (data?.status === "down") {
    return <Banner tone="warning">Prices have stopped coming. What you see is the last that came.</Banner>;
  }
  if (data?.feeds === "simulated") {
    return <Banner tone="info">Simulated prices: nothing here is real.</Banner>;
  }
  return null;
}

function Banner({ tone, children }: { tone: "info" | "warning"; children: string }) {
  const Icon = tone === "info" ? FlaskConical : TriangleAlert;
  return (
    <div className={css.banner} data-tone={tone} role="status">
      <Icon size={16} aria-hidden />
      {children}
    </div>
  );
}
