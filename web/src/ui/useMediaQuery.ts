import { useSyncExternalStore } from "react";

/** Whether the window is as a media query says, kept true: for what CSS alone cannot lay out. */
export function useMediaQuery(query: string): boolean {
  return useSyncExternalStore(
    (listener) => {
      const media = matchMedia(query);
      media.addEventListener("change", listener);
      return () => media.removeEventListener("change", listener);
    },
    () => matchMedia(query).matches,
  );
}
