/** Names attempts: the same body sent again has the same key, so that a retry enters nothing twice; another one has its own. */
export function idempotencyKeys(): (body: object) => string {
  let sent = "";
  let key = "";
  return (body) => {
    const text = JSON.stringify(body);
    if (text !== sent) {
      sent = text;
      key = crypto.randomUUID();
    }
    return key;
  };
}
