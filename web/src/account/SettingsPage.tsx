import { Link } from "wouter";
import { NotFoundPage } from "../app/NotFoundPage";
import { Page } from "../ui/layout";
import { Tabs } from "../ui/Tabs";
import { AccountSettings } from "./AccountSettings";
import { PreferenceSettings } from "./PreferenceSettings";
import { SessionSettings } from "./SessionSettings";
import { TokenSettings } from "./TokenSettings";

const TABS = [
  { tab: "", name: "Account", show: AccountSettings },
  { tab: "preferences", name: "Preferences", show: PreferenceSettings },
  { tab: "sessions", name: "Sessions", show: SessionSettings },
  { tab: "tokens", name: "API tokens", show: TokenSettings },
] as const;

export default function SettingsPage({ tab = "" }: { tab: string | undefined }) {
  const chosen = TABS.find((each) => each.tab === tab);
  if (!chosen) return <NotFoundPage />;
  return (
    <Page title="Settings">
      <Tabs label="Settings">
        {TABS.map(({ tab, name }) => (
          <Link
            key={tab}
            href={tab ? `/settings/${tab}` : "/settings"}
            aria-current={tab === chosen.tab ? "page" : undefined}
          >
            {name}
          </Link>
        ))}
      </Tabs>
      <chosen.show />
    </Page>
  );
}
