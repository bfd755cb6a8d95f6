import type { ReactNode } from "react";
import { Button } from "./Button";
import { Dialog } from "./Dialog";
import { Actions } from "./layout";
import { ProblemNote } from "./states";

interface Props {
  title: string;
  /** The verb of what will be done: "Delete portfolio". */
  action: string;
  busy: boolean;
  error: Error | null;
  onConfirm: () => void;
  onClose: () => void;
  children: ReactNode;
}

/** Asks before what cannot be undone. */
export function ConfirmDialog({ title, action, busy, error, onConfirm, onClose, children }: Props) {
  return (
    <Dialog title={title} onClose={onClose}>
      <div>{children}</div>
      <ProblemNote error={error} />
      <Actions>
        <Button onClick={onClose}>Cancel</Button>
        <Button kind="danger" busy={busy} onClick={onConfirm}>
          {action}
        </Button>
      </Actions>
    </Dialog>
  );
}
