import createClient, { type Middleware } from "openapi-fetch";
import { Problem } from "./problem";
import type { components, paths } from "./schema";
import { session } from "./session";

/** The API's own names of what it answers: `Schema["Price"]`. */
export type Schema = components["schemas"];

const PRIVATE = /^\/(users|portfolios|alerts|auth\/ws-ticket)/;

/** Public reads go without a token: everybody shares their cache. */
const bearer: Middleware = {
  async onRequest({ request, schemaPath }) {
    if (!PRIVATE.test(schemaPath)) return;
    const token = await session.accessToken();
    if (token === null) throw new Problem(401, "Sign in to see this.");
    request.headers.set("Authorization", `Bearer ${token}`);
  },
  async onResponse({ request, response, schemaPath }) {
    if (response.ok) return;
    if (response.status === 401 && PRIVATE.test(schemaPath))
      session.refused(request.headers.get("Authorization")?.slice("Bearer ".length));
    throw await Problem.of(response);
  },
  onError({ error }) {
    return error instanceof Problem ? error : Problem.unreachable();
  },
};

/** All calls of the API, by its OpenAPI document; each raises Problem where the answer is none of 2xx. */
export const api = createClient<paths, "application/json">({
  baseUrl: "/api",
  fetch: (request) => fetch(request),
});
api.use(bearer);

/** What the document calls "those members that `fields` names": never so here, `fields` is not used. */
type Some = Record<string, never>;
type Whole<T> = T extends Some
  ? never
  : T extends { items: (infer Item)[] }
    ? Omit<T, "items"> & { items: Exclude<Item, Some>[] }
    : T;

/** The body of a call's answer: `const coins = await body(api.GET("/coins"))`. */
export async function body<T>(call: Promise<{ data?: T }>): Promise<Whole<T>> {
  const { data } = await call;
  return data as Whole<T>; // there: what is not 2xx was raised
}

/** Downloads what a private GET answers, under the name that the server gives it. */
export async function download(path: string, accept: string, fallbackName: string): Promise<void> {
  const token = await session.accessToken();
  let response: Response;
  try {
    response = await fetch(`/api${path}`, {
      headers: { Accept: accept, ...(token !== null && { Authorization: `Bearer ${token}` }) },
    });
  } catch {
    throw Problem.unreachable();
  }
  if (response.status === 401) session.refused(token);
  if (!response.ok) throw await Problem.of(response);
  const named = /filename="([^"]+)"/.exec(response.headers.get("content-disposition") ?? "");
  const url = URL.createObjectURL(await response.blob());
  const link = document.createElement("a");
  link.href = url;
  link.download = named?.[1] ?? fallbackName;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
