import { Link } from "wouter";
import { buttonClass } from "../ui/Button";
import { Page } from "../ui/layout";
import { EmptyState } from "../ui/states";

export function NotFoundPage() {
  return (
    <Page title="Not found">
      <EmptyState
        title="There is no such page"
        action={
          <Link href="/" className={buttonClass("primary")}>
            To the market
          </Link>
        }
      >
        The address may be mistyped, or what it showed has been deleted.
      </EmptyState>
    </Page>
  );
}
