import { existsSync, readFileSync } from "node:fs";
import react from "@vitejs/plugin-react";
import { defineConfig, type ProxyOptions } from "vite";

const ENDPOINTS = new URL("../.local/endpoints.json", import.meta.url);

/** `npm run dev` shows what `make run` runs: its dashboard's origin answers for `/api` and `/ws`. */
function proxy(): Record<string, ProxyOptions> {
  if (!existsSync(ENDPOINTS)) throw new Error("nothing runs here: start it with `make run`");
  const { web }: { web?: string } = JSON.parse(readFileSync(ENDPOINTS, "utf8"));
  if (web === undefined) throw new Error("`make run` runs without the dashboard: it says why");
  const origin = { target: web, changeOrigin: true, headers: { origin: web } };
  return { "/api": origin, "/ws": { ...origin, ws: true } };
}

export default defineConfig(({ command, mode }) => ({
  plugins: [react()],
  build: { target: "es2023", reportCompressedSize: false, assetsInlineLimit: 0 },
  server: command === "serve" && mode === "development" ? { proxy: proxy() } : {},
}));
