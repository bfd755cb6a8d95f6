import { Monitor, Moon, Sun } from "lucide-react";
import { IconButton } from "../ui/Button";
import { type Theme, usePreferences } from "./preferences";

const NEXT: Record<Theme, Theme> = { system: "light", light: "dark", dark: "system" };
const ICON = { system: Monitor, light: Sun, dark: Moon };

export function ThemeButton() {
  const { preferences, change } = usePreferences();
  const Icon = ICON[preferences.theme];
  return (
    <IconButton
      label={`Theme: ${preferences.theme}. Change to ${NEXT[preferences.theme]}`}
      disabled={!change}
      onClick={() => change?.({ theme: NEXT[preferences.theme] })}
    >
      <Icon size={18} aria-hidden />
    </IconButton>
  );
}
