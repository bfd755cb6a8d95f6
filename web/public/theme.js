// Before the first paint, so that a chosen theme does not flash; src/app/theme.ts keeps it afterwards.
document.documentElement.dataset.theme = localStorage.getItem("cryptopulse.theme") ?? "system";
