/** Tells by a notification of the browser, where that is allowed. */
export async function notify(words: string, tag: string): Promise<void> {
  if (!("Notification" in window) || Notification.permission !== "granted") return;
  const shown = { body: words, tag, icon: "/icon.svg" };
  const worker = await notifier();
  if (worker) await worker.showNotification("CryptoPulse", shown);
  else new Notification("CryptoPulse", shown);
}

/** The service worker, without which a phone lets nobody notify; undefined where there is none, as in private windows. */
async function notifier(): Promise<ServiceWorkerRegistration | undefined> {
  try {
    await navigator.serviceWorker.register("/notifier.js");
    return await navigator.serviceWorker.ready;
  } catch {
    return undefined;
  }
}
