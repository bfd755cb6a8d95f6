import { Star } from "lucide-react";
import { IconButton } from "../ui/Button";
import css from "./WatchButton.module.css";

interface Props {
  name: string;
  isWatched: boolean;
  /** Not there until it is known what is watched. */
  onToggle: (() => void) | undefined;
}

export function WatchButton({ name, isWatched, onToggle }: Props) {
  return (
    <IconButton
      label={isWatched ? `Take ${name} off the watchlist` : `Put ${name} on the watchlist`}
      aria-pressed={isWatched}
      className={isWatched ? css.watched : ""}
      disabled={!onToggle}
      onClick={onToggle}
    >
      <Star size={18} aria-hidden />
    </IconButton>
  );
}
