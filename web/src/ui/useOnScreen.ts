import { type RefObject, useEffect, useRef, useState } from "react";

/** So near the window counts as in it: what is scrolled to is there already. */
const NEAR = "300px";

/** Whether an element is in the window or near it: what nobody sees need not change. */
export function useOnScreen<T extends Element>(): [ref: RefObject<T | null>, isOnScreen: boolean] {
  const ref = useRef<T>(null);
  const [isOnScreen, setOnScreen] = useState(false);
  useEffect(() => {
    if (!ref.current) return;
    const observer = new IntersectionObserver(
      (entries) => setOnScreen(entries.at(-1)?.isIntersecting ?? false),
      { rootMargin: NEAR },
    );
    observer.observe(ref.current);
    return () => observer.disconnect();
  }, []);
  return [ref, isOnScreen];
}
