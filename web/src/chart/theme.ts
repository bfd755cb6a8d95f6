import { ColorType, type DeepPartial, type TimeChartOptions } from "lightweight-charts";
import { colour } from "../ui/colours";

/** What the charts are painted with, as the theme has it now. */
export type Palette = ReturnType<typeof palette>;

export function palette() {
  return {
    surface: colour("--surface"),
    raised: colour("--raised"),
    line: colour("--line"),
    lineStrong: colour("--line-strong"),
    text: colour("--text"),
    muted: colour("--text-muted"),
    faint: colour("--text-faint"),
    accent: colour("--accent"),
    up: colour("--up"),
    down: colour("--down"),
    warning: colour("--warning"),
    series: [
      colour("--series-1"),
      colour("--series-2"),
      colour("--series-3"),
      colour("--series-4"),
      colour("--series-5"),
      colour("--series-6"),
      colour("--series-7"),
      colour("--series-8"),
    ],
    font: getComputedStyle(document.body).fontFamily,
  };
}

/** `rgb(…)` as `colour` gives it, seen through. */
export function faded(rgb: string, alpha: number): string {
  return rgb.replace("rgb(", "rgba(").replace(")", `, ${alpha})`);
}

/** Tells when the palette changes: with the theme, by choice or the system's, or a font that has come. Answers with the end of it. */
export function onPalette(listener: () => void): () => void {
  const observer = new MutationObserver(listener);
  observer.observe(document.documentElement, { attributeFilter: ["data-theme"] });
  const system = matchMedia("(prefers-color-scheme: dark)");
  system.addEventListener("change", listener);
  document.fonts.addEventListener("loadingdone", listener);
  return () => {
    observer.disconnect();
    system.removeEventListener("change", listener);
    document.fonts.removeEventListener("loadingdone", listener);
  };
}

/** What all charts have in common. Without the logo: it would bring a <style> of its own, the footer has the attribution. */
export function themed(colours: Palette): DeepPartial<TimeChartOptions> {
  const cross = { color: colours.faint, labelBackgroundColor: colours.muted };
  return {
    layout: {
      background: { type: ColorType.Solid, color: colours.surface },
      textColor: colours.muted,
      fontFamily: colours.font,
      fontSize: 11,
      attributionLogo: false,
      panes: { separatorColor: colours.line, separatorHoverColor: faded(colours.accent, 0.2) },
    },
    grid: {
      vertLines: { color: faded(colours.line, 0.55) },
      horzLines: { color: faded(colours.line, 0.55) },
    },
    crosshair: { vertLine: cross, horzLine: cross },
    rightPriceScale: { borderVisible: false },
    timeScale: { borderColor: colours.line, allowBoldLabels: false },
    localization: { locale: navigator.language },
  };
}
