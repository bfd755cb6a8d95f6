// The service worker that tells of alerts (src/alerts/notify.ts): a touch leads to the dashboard.
addEventListener("notificationclick", (event) => {
  event.notification.close();
  event.waitUntil(show());
});

async function show() {
  const [page] = await clients.matchAll({ type: "window", includeUncontrolled: true });
  await (page ? page.focus() : clients.openWindow("/alerts"));
}
