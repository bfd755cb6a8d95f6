import { FileUp } from "lucide-react";
import { useState } from "react";
import { Button } from "../../../ui/Button";
import { Field } from "../../../ui/Field";
import { Actions } from "../../../ui/layout";
import { fieldErrors, ProblemNote } from "../../../ui/states";
import css from "./import.module.css";
import { type Chosen, FORMATS, type Format } from "./importing";

interface Props {
  error: Error | null;
  onChoose: (chosen: Chosen) => void;
  onClose: () => void;
}

/** Takes a file that is chosen or dropped. */
export function FileForm({ error, onChoose, onClose }: Props) {
  const [format, setFormat] = useState<Format>("auto");
  const [isOver, setOver] = useState(false);
  const told = Object.entries(fieldErrors(error));

  function take(files: FileList | null): void {
    const file = files?.[0];
    if (file) onChoose({ file, format });
  }

  return (
    <>
      <p className="muted">
        The CSV export of Coinbase (transaction history), Binance (transaction or spot trade history), Kraken
        (ledgers or trades) or CryptoPulse. Nothing goes in before you have seen what it holds.
      </p>
      <Field label="Whose file it is">
        {(input) => (
          <select
            {...input}
            value={format}
            onChange={({ target }) => isFormat(target.value) && setFormat(target.value)}
          >
            {Object.entries(FORMATS).map(([each, name]) => (
              <option key={each} value={each}>
                {name}
              </option>
            ))}
          </select>
        )}
      </Field>
      <label
        className={css.drop}
        data-over={isOver}
        onDragOver={(event) => {
          event.preventDefault();
          setOver(true);
        }}
        onDragLeave={() => setOver(false)}
        onDrop={(event) => {
          event.preventDefault();
          setOver(false);
          take(event.dataTransfer.files);
        }}
      >
        <FileUp size={28} aria-hidden />
        <span>
          <strong>Choose a file</strong> or drop it here
        </span>
        <span className="muted">CSV, up to 10 MB and 50,000 lines</span>
        <input
          type="file"
          className="visually-hidden"
          accept=".csv,.gz,text/csv,application/gzip"
          onChange={({ target }) => {
            take(target.files);
            target.value = ""; // the same file, mended, is a change too
          }}
        />
      </label>
      {told.length > 0 ? (
        <div className={css.refused} role="alert">
          {told.map(([field, message]) => (
            <p key={field}>
              {["format", "file"].includes(field) ? `${message}.` : `Column “${field}”: ${message}.`}
            </p>
          ))}
        </div>
      ) : (
        <ProblemNote error={error} />
      )}
      <Actions>
        <Button onClick={onClose}>Cancel</Button>
      </Actions>
    </>
  );
}

function isFormat(text: string): text is Format {
  return Object.hasOwn(FORMATS, text);
}
