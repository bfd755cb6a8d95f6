import { createContext, type ReactNode, useContext, useEffect, useState } from "react";
import { Live, type LiveOptions } from "./live";

const LiveContext = createContext<Live | undefined>(undefined);

interface LiveProviderProps extends LiveOptions {
  /** undefined: not known yet; nothing connects before. */
  signedIn: boolean | undefined;
  children: ReactNode;
}

/** Gives the components below one connection. The callbacks are to be stable: another one connects anew. */
export function LiveProvider({
  url,
  ticket,
  signedIn,
  onSessionEnded,
  onDropped,
  children,
}: LiveProviderProps) {
  const [live] = useState(() => new Live());
  useEffect(() => {
    live.start({ url, ticket, onSessionEnded, onDropped });
    return () => live.stop();
  }, [live, url, ticket, onSessionEnded, onDropped]);
  useEffect(() => live.identify(signedIn), [live, signedIn]);
  return <LiveContext value={live}>{children}</LiveContext>;
}

export function useLive(): Live {
  const live = useContext(LiveContext);
  if (!live) throw new Error("there is no LiveProvider around this");
  return live;
}
