import { Bell, ChartCandlestick, Grid3x3, Newspaper, UserRound, WalletCards } from "lucide-react";
import type { ReactNode } from "react";
import { Link, useLocation, useSearch } from "wouter";
import { signInPath } from "../account/next";
import { useSession } from "../api/session";
import { buttonClass } from "../ui/Button";
import { Toasts } from "../ui/toasts";
import { AccountMenu } from "./AccountMenu";
import css from "./Shell.module.css";
import { LiveStatus, PriceSource, SimulatedMark, SystemBanner } from "./status";
import { ThemeButton } from "./ThemeButton";

const PAGES = [
  { path: "/", name: "Market", icon: ChartCandlestick },
  { path: "/portfolios", name: "Portfolios", icon: WalletCards },
  { path: "/alerts", name: "Alerts", icon: Bell },
  { path: "/news", name: "News", icon: Newspaper },
  { path: "/correlation", name: "Correlation", icon: Grid3x3 },
] as const;

/** What stands around every page. */
export function Shell({ children }: { children: ReactNode }) {
  const [path] = useLocation();
  const search = useSearch();
  const status = useSession();
  return (
    <div className={css.shell}>
      <a href="#content" className={css.skip}>
        Skip to the content
      </a>
      <header className={css.bar}>
        <div className={css.barInner}>
          <Link href="/" className={css.brand}>
            <img src="/icon.svg" alt="" width={28} height={28} />
            <span>CryptoPulse</span>
          </Link>
          <nav className={css.nav} aria-label="Pages">
            {PAGES.map(({ path: page, name, icon: Icon }) => (
              <Link
                key={page}
                href={page}
                aria-current={isAt(path, page) ? "page" : undefined}
                className={css.page}
              >
                <Icon size={18} aria-hidden />
                <span>{name}</span>
              </Link>
            ))}
          </nav>
          <div className={css.tools}>
            <SimulatedMark />
            <LiveStatus />
            <ThemeButton />
            {status === "anonymous" ? (
              <Link href={signInPath(path, search)} className={buttonClass("primary", true)}>
                <UserRound size={16} aria-hidden className={css.signInIcon} />
                Sign in
              </Link>
            ) : (
              <AccountMenu />
            )}
          </div>
        </div>
      </header>
      <main id="content" tabIndex={-1} className={css.content}>
        {children}
      </main>
      <footer className={css.footer}>
        <p>
          <PriceSource /> Charts by{" "}
          <a href="https://www.tradingview.com/" target="_blank" rel="noreferrer">
            TradingView
          </a>
          . <a href="/api/docs">API</a>
        </p>
      </footer>
      <SystemBanner />
      <Toasts />
    </div>
  );
}

function isAt(path: string, page: string): boolean {
  if (page === "/") return path === "/" || path.startsWith("/market/");
  return path === page || path.startsWith(`${page}/`);
}
