// Before the first paint, so that a chosen theme does not flash; src/app/preferences.ts keeps it afterwards.
let theme = null;
try {
  theme = localStorage.getItem("cryptopulse.theme");
} catch {
  // This browser keeps nothing.
}
document.documentElement.dataset.theme = theme ?? "system";
