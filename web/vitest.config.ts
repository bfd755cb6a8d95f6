import { defineConfig } from "vitest/config";

/** A document costs half a second a file: tests that need one say so by `@vitest-environment happy-dom`. */
export default defineConfig({
  test: {
    environment: "node",
    environmentOptions: { happyDOM: { url: "http://localhost/" } },
    include: ["src/**/*.test.{ts,tsx}"],
    restoreMocks: true,
    testTimeout: 30_000,
    unstubGlobals: true,
  },
});
