import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { api, body, type Schema } from "../api/client";
import { PRIVATE } from "../api/query";
import { Badge } from "../ui/Badge";
import { Button } from "../ui/Button";
import { Ago, Time } from "../ui/figures";
import { Card } from "../ui/layout";
import css from "../ui/list.module.css";
import { Loaded, SkeletonRows } from "../ui/states";
import { toast } from "../ui/toasts";
import { browserName } from "./browsers";

const SESSIONS = [PRIVATE, "sessions"];

export function SessionSettings() {
  const sessions = useQuery({
    queryKey: SESSIONS,
    queryFn: () => body(api.GET("/users/me/sessions", { params: { query: { limit: 500 } } })),
  });
  return (
    <Card title="Where you are signed in" flush>
      <Loaded query={sessions} skeleton={<SkeletonRows rows={3} height="4.5rem" />}>
        {({ items }) => (
          <ul className={css.list}>
            {items.map((each) => (
              <SessionRow key={each.id} session={each} />
            ))}
          </ul>
        )}
      </Loaded>
    </Card>
  );
}

function SessionRow({ session }: { session: Schema["SessionView"] }) {
  const client = useQueryClient();
  const end = useMutation({
    mutationFn: () =>
      body(api.DELETE("/users/me/sessions/{session_id}", { params: { path: { session_id: session.id } } })),
    onError: (error) => toast(error.message, "down"),
    onSettled: () => client.invalidateQueries({ queryKey: SESSIONS }),
  });
  return (
    <li className={css.item}>
      <div>
        <p className={css.name} title={session.user_agent}>
          {browserName(session.user_agent)} {session.current && <Badge tone="accent">This one</Badge>}
        </p>
        <p className={css.detail}>
          {session.address} · used <Ago value={session.last_used_at} /> · since{" "}
          <Time value={session.created_at} style="date" />
        </p>
      </div>
      {!session.current && (
        <Button small busy={end.isPending} onClick={() => end.mutate()}>
          Sign out
        </Button>
      )}
    </li>
  );
}
