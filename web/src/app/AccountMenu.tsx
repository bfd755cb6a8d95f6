import { useMutation, useQuery } from "@tanstack/react-query";
import { LogOut, Settings, UserRound } from "lucide-react";
import { Link, useLocation } from "wouter";
import { api, body } from "../api/client";
import { PRIVATE } from "../api/query";
import { session, useSession } from "../api/session";
import { toast } from "../ui/toasts";
import css from "./AccountMenu.module.css";

/** Who is signed in, and the way to the settings and out. */
export function AccountMenu() {
  const signedIn = useSession() === "signed-in";
  const [, navigate] = useLocation();
  const profile = useQuery({
    queryKey: [PRIVATE, "profile"],
    queryFn: () => body(api.GET("/users/me")),
    enabled: signedIn,
  });
  const signOut = useMutation({
    mutationFn: () => session.signOut(),
    onSuccess: () => navigate("/"),
    onError: (error) => toast(error.message, "down"),
  });
  const name = profile.data?.display_name ?? profile.data?.email;
  return (
    <>
      <button type="button" className={css.open} popoverTarget="account-menu" aria-label="Account">
        <UserRound size={18} aria-hidden />
      </button>
      <div id="account-menu" popover="auto" className={css.menu}>
        <p className={css.who}>{name ?? "\u00a0"}</p>
        <Link href="/settings" className={css.item} onClick={close}>
          <Settings size={16} aria-hidden />
          Settings
        </Link>
        <button
          type="button"
          className={css.item}
          disabled={signOut.isPending}
          onClick={() => signOut.mutate()}
        >
          <LogOut size={16} aria-hidden />
          Sign out
        </button>
      </div>
    </>
  );
}

function close(): void {
  document.getElementById("account-menu")?.hidePopover();
}
