import { useQuery } from "@tanstack/react-query";
import { TriangleAlert } from "lucide-react";
import type { Schema } from "../api/client";
import { Problem } from "../api/problem";
import { useLiveStatus } from "../live/hooks";
import { Badge } from "../ui/Badge";
import css from "./status.module.css";

const SIMULATED = "Simulated prices: nothing here is real.";

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
function useHealth() {
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

/** Says what everybody must know: no connection, late prices. */
export function SystemBanner() {
  const { data } = useHealth();
  const live = useLiveStatus();
  if (live === "offline") {
    return <Banner>You are offline. What you see is the last that came; it goes on by itself.</Banner>;
  }
  if (data?.status === "down") {
    return <Banner>Prices have stopped coming. What you see is the last that came.</Banner>;
  }
  return null;
}

function Banner({ children }: { children: string }) {
  return (
    <div className={css.banner} role="status">
      <TriangleAlert size={16} aria-hidden />
      {children}
    </div>
  );
}

/** Stands on every page where the prices are made up. */
export function SimulatedMark() {
  if (useHealth().data?.feeds !== "simulated") return null;
  return (
    <span data-simulated>
      <Badge tone="warning" title={SIMULATED}>
        Simulated
      </Badge>
    </span>
  );
}

/** Where the prices come from. */
export function PriceSource() {
  return useHealth().data?.feeds === "simulated" ? SIMULATED : "Prices from Coinbase and Binance.";
}
