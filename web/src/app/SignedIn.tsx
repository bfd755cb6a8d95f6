import type { ReactNode } from "react";
import { Redirect, useLocation, useSearch } from "wouter";
import { signInPath } from "../account/next";
import { useSession } from "../api/session";
import { Page } from "../ui/layout";
import { SkeletonRows } from "../ui/states";

/** A page that needs a user: who is not signed in does so first, and comes back. */
export function SignedIn({ children }: { children: ReactNode }) {
  const status = useSession();
  const [path] = useLocation();
  const search = useSearch();
  if (status === "restoring") {
    return (
      <Page title="Loading" heading={<>&nbsp;</>}>
        <SkeletonRows rows={8} />
      </Page>
    );
  }
  if (status === "anonymous") {
    return <Redirect to={signInPath(path, search)} replace />;
  }
  return children;
}
