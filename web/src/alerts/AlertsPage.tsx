import { useState } from "react";
import { useSearchParams } from "wouter";
import { Button } from "../ui/Button";
import { Card, Page } from "../ui/layout";
import { AlertDialog } from "./AlertDialog";
import { AlertHistory } from "./AlertHistory";
import { AlertList } from "./AlertList";
import { NotificationButton } from "./NotificationButton";

export default function AlertsPage() {
  const [params, setParams] = useSearchParams();
  const asked = params.get("symbol");
  const [isMaking, setMaking] = useState(asked !== null);
  const make = () => setMaking(true);
  return (
    <Page
      title="Alerts"
      lead="Told here, by a notification of the browser, and to a webhook of yours."
      actions={
        <>
          <NotificationButton />
          <Button kind="primary" onClick={make}>
            New alert
          </Button>
        </>
      }
    >
      <Card title="Your alerts" flush>
        <AlertList onMake={make} />
      </Card>
      <Card title="What has fired" flush>
        <AlertHistory />
      </Card>
      {isMaking && (
        <AlertDialog
          symbol={asked ?? "BTC-USD"}
          onClose={() => {
            setMaking(false);
            setParams({}, { replace: true });
          }}
        />
      )}
    </Page>
  );
}
