import { Copy } from "lucide-react";
import type { ReactNode } from "react";
import { Button } from "./Button";
import { Dialog } from "./Dialog";
import { Field } from "./Field";
import { Actions, Fields } from "./layout";
import { toast } from "./toasts";

interface Props {
  title: string;
  /** What the secret is of. */
  label: string;
  secret: string;
  onClose: () => void;
  children?: ReactNode;
}

/** Shows what is told only once; nothing but its button closes it. */
export function SecretDialog({ title, label, secret, onClose, children }: Props) {
  return (
    <Dialog title={title} onClose={onClose} dismissible={false}>
      <Fields>
        <p>{children} Copy it now: it is not shown again.</p>
        <Field label={label}>
          {(input) => (
            <input {...input} readOnly value={secret} onFocus={(event) => event.currentTarget.select()} />
          )}
        </Field>
        <Actions>
          <Button onClick={() => void copy(secret)}>
            <Copy size={16} aria-hidden />
            Copy
          </Button>
          <Button kind="primary" onClick={onClose}>
            Done
          </Button>
        </Actions>
      </Fields>
    </Dialog>
  );
}

async function copy(secret: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(secret);
    toast("Copied.");
  } catch {
    toast("The browser did not allow it: select the text and copy it.", "warning");
  }
}
