import { QueryClientProvider } from "@tanstack/react-query";
import { lazy, Suspense, useEffect } from "react";
import { Route, Switch, useLocation } from "wouter";
import { AlertWatch } from "../alerts/AlertWatch";
import { api, body } from "../api/client";
import { forgetUser, queries } from "../api/query";
import { EXPIRED, session, useSession, useSessionExpired } from "../api/session";
import { LiveProvider } from "../live/LiveProvider";
import type { Want } from "../live/wants";
import { MarketPage } from "../market/MarketPage";
import { Page } from "../ui/layout";
import { SkeletonRows } from "../ui/states";
import { clearToasts, toast } from "../ui/toasts";
import { useArrival } from "./arrival";
import { Boundary } from "./Boundary";
import { NotFoundPage } from "./NotFoundPage";
import { useBroughtWatchlist, useTheme } from "./preferences";
import { Shell } from "./Shell";
import { SignedIn } from "./SignedIn";

const AssetPage = lazy(() => import("../market/AssetPage"));
const CorrelationPage = lazy(() => import("../market/CorrelationPage"));
const NewsPage = lazy(() => import("../news/NewsPage"));
const PortfoliosPage = lazy(() => import("../portfolio/PortfoliosPage"));
const PortfolioPage = lazy(() => import("../portfolio/PortfolioPage"));
const AlertsPage = lazy(() => import("../alerts/AlertsPage"));
const SettingsPage = lazy(() => import("../account/SettingsPage"));
const SignInPage = lazy(() => import("../account/SignInPage"));
const RegisterPage = lazy(() => import("../account/RegisterPage"));

const LIVE_URL = `${location.protocol.replace("http", "ws")}//${location.host}/ws`;

export function App() {
  return (
    <QueryClientProvider client={queries}>
      <Dashboard />
    </QueryClientProvider>
  );
}

function Dashboard() {
  const status = useSession();
  useTheme();
  useBroughtWatchlist();
  useExpiryToast();
  const [path] = useLocation();
  useArrival(path);
  useEffect(() => session.subscribe(forgetLeft), []);
  useEffect(() => void session.restore(), []);
  return (
    <LiveProvider
      url={LIVE_URL}
      ticket={ticket}
      signedIn={status === "restoring" ? undefined : status === "signed-in"}
      onSessionEnded={sessionEnded}
      onDropped={dropped}
    >
      <Shell>
        <Boundary path={path}>
          <Suspense fallback={<PageSkeleton />}>
            <Switch>
              <Route path="/" component={MarketPage} />
              <Route path="/market/:symbol">
                {({ symbol }) => <AssetPage key={symbol} symbol={symbol} />}
              </Route>
              <Route path="/correlation" component={CorrelationPage} />
              <Route path="/news" component={NewsPage} />
              <Route path="/sign-in" component={SignInPage} />
              <Route path="/register" component={RegisterPage} />
              <Route path="/portfolios">
                <SignedIn>
                  <PortfoliosPage />
                </SignedIn>
              </Route>
              <Route path="/portfolios/:id/:tab?">
                {({ id, tab }) => (
                  <SignedIn>
                    <PortfolioPage key={id} id={id} tab={tab} />
                  </SignedIn>
                )}
              </Route>
              <Route path="/alerts">
                <SignedIn>
                  <AlertsPage />
                </SignedIn>
              </Route>
              <Route path="/settings/:tab?">
                {({ tab }) => (
                  <SignedIn>
                    <SettingsPage tab={tab} />
                  </SignedIn>
                )}
              </Route>
              <Route component={NotFoundPage} />
            </Switch>
          </Suspense>
        </Boundary>
      </Shell>
      {status === "signed-in" && <AlertWatch />}
    </LiveProvider>
  );
}

/** At once, so that nothing of the user's is there for the next. */
function forgetLeft(): void {
  if (session.status === "signed-in") return;
  forgetUser();
  clearToasts();
}

/** What opens the WebSocket as the user; null for who is not signed in. */
async function ticket(): Promise<string | null> {
  if (session.status === "anonymous" || (await session.accessToken()) === null) return null;
  return (await body(api.POST("/auth/ws-ticket"))).ticket;
}

function sessionEnded(): void {
  session.expire();
}

/** Where the page shown stays; the page of signing in says so itself. */
function useExpiryToast(): void {
  const hasExpired = useSessionExpired();
  useEffect(() => {
    if (hasExpired && location.pathname !== "/sign-in") toast(EXPIRED, "warning");
  }, [hasExpired]);
}

function dropped(want: Want): void {
  toast(`${"symbol" in want ? want.symbol : want.channel}: its live values have ended.`, "warning");
}

function PageSkeleton() {
  return (
    <Page title="Loading" heading={<>&nbsp;</>}>
      <SkeletonRows rows={8} />
    </Page>
  );
}
