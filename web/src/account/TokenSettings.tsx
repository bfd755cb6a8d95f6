import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { KeyRound } from "lucide-react";
import { useState } from "react";
import { api, body, type Schema } from "../api/client";
import { PRIVATE } from "../api/query";
import { Badge } from "../ui/Badge";
import { Button } from "../ui/Button";
import { ConfirmDialog } from "../ui/ConfirmDialog";
import { Ago, Time } from "../ui/figures";
import { Card } from "../ui/layout";
import css from "../ui/list.module.css";
import { EmptyState, Loaded, SkeletonRows } from "../ui/states";
import { NewTokenDialog } from "./NewTokenDialog";

const TOKENS = [PRIVATE, "tokens"];

export function TokenSettings() {
  const [isMaking, setMaking] = useState(false);
  const tokens = useQuery({
    queryKey: TOKENS,
    queryFn: () => body(api.GET("/users/me/tokens", { params: { query: { limit: 500 } } })),
  });
  const make = (
    <Button kind="primary" small onClick={() => setMaking(true)}>
      New token
    </Button>
  );
  return (
    <Card title="API tokens" actions={make} flush>
      <Loaded
        query={tokens}
        skeleton={<SkeletonRows rows={3} height="4.5rem" />}
        empty={{
          when: ({ items }) => items.length === 0,
          show: (
            <EmptyState title="No API tokens" icon={<KeyRound size={28} aria-hidden />}>
              A token lets a program of yours read, or also trade, without your password.
            </EmptyState>
          ),
        }}
      >
        {({ items }) => (
          <ul className={css.list}>
            {items.map((token) => (
              <TokenRow key={token.id} token={token} />
            ))}
          </ul>
        )}
      </Loaded>
      {isMaking && <NewTokenDialog onClose={() => setMaking(false)} />}
    </Card>
  );
}

function TokenRow({ token }: { token: Schema["ApiTokenView"] }) {
  const [isAsking, setAsking] = useState(false);
  const client = useQueryClient();
  const revoke = useMutation({
    mutationFn: () =>
      body(api.DELETE("/users/me/tokens/{token_id}", { params: { path: { token_id: token.id } } })),
    onSuccess: () => client.invalidateQueries({ queryKey: TOKENS }),
  });
  return (
    <li className={css.item}>
      <div>
        <p className={css.name}>
          {token.name}
          {token.scopes.map((scope) => (
            <Badge key={scope}>{scope}</Badge>
          ))}
        </p>
        <p className={css.detail}>
          {token.last_used_at ? (
            <>
              used <Ago value={token.last_used_at} />
            </>
          ) : (
            "never used"
          )}
          {" · "}
          {token.expires_at ? (
            <>
              until <Time value={token.expires_at} />
            </>
          ) : (
            "does not expire"
          )}
        </p>
      </div>
      <Button kind="danger" small onClick={() => setAsking(true)}>
        Revoke
      </Button>
      {isAsking && (
        <ConfirmDialog
          title="Revoke token"
          action="Revoke token"
          busy={revoke.isPending}
          error={revoke.error}
          onConfirm={() => revoke.mutate()}
          onClose={() => setAsking(false)}
        >
          Programs that use “{token.name}” are refused from now on.
        </ConfirmDialog>
      )}
    </li>
  );
}
