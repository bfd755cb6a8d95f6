import { BellRing } from "lucide-react";
import { useState } from "react";
import { Button } from "../ui/Button";
import { toast } from "../ui/toasts";

/** Asks for the browser's leave to notify, where it has not been given or refused yet. */
export function NotificationButton() {
  const [permission, setPermission] = useState(() =>
    "Notification" in window ? Notification.permission : "denied",
  );
  if (permission !== "default") return null;
  return (
    <Button
      onClick={async () => {
        const given = await Notification.requestPermission();
        setPermission(given);
        if (given === "denied")
          toast("The browser will not notify you; its settings can change that.", "warning");
      }}
    >
      <BellRing size={16} aria-hidden />
      Notify me
    </Button>
  );
}
