import type { components } from "./schema";

type Told = components["schemas"]["Problem"];
export type Conflict = components["schemas"]["Conflict"];

/** What the API refused, or that it could not be reached (status 0). `message` is for the user to read. */
export class Problem extends Error {
  readonly status: number;
  /** What is wrong with what was sent, by field. */
  readonly fields: Readonly<Record<string, string>>;
  readonly conflict: Conflict | undefined;
  /** Seconds after which to try again. */
  readonly retryAfter: number | undefined;
  readonly requestId: string | undefined;

  constructor(status: number, message: string, told: Partial<Told> = {}, retryAfter?: number) {
    super(message);
    this.name = "Problem";
    this.status = status;
    this.fields = Object.fromEntries((told.errors ?? []).map(({ field, message }) => [field, message]));
    this.conflict = told.conflict;
    this.retryAfter = retryAfter;
    this.requestId = told.request_id;
  }

  static unreachable(): Problem {
    return new Problem(0, "CryptoPulse cannot be reached. Check your connection and try again.");
  }

  static async of(response: Response): Promise<Problem> {
    const seconds = Number(response.headers.get("retry-after") ?? Number.NaN);
    const told = await problemBody(response);
    const message =
      told.detail ?? told.title ?? `The server answered ${response.status}. Try again in a moment.`;
    return new Problem(response.status, message, told, Number.isFinite(seconds) ? seconds : undefined);
  }
}

/** API Gateway's own refusals are no problem+json: they have only `message`, or are no JSON at all. */
async function problemBody(response: Response): Promise<Partial<Told>> {
  if (!response.headers.get("content-type")?.startsWith("application/problem+json")) return {};
  return response.json();
}
