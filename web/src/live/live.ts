import { Connection, type ConnectionStatus } from "./connection";
import type { Article, Candle, FiredAlert, Tick, Values, Worth } from "./frames";
import { type Interest, union, type Watch } from "./interests";
import { candleRank, candleSeries, Newest, Once, tickSeries } from "./series";
import { Store } from "./store";
import type { Want } from "./wants";

export type LiveStatus = ConnectionStatus;

/** What nobody wants any longer is kept so long: the next page often wants it too. */
const GRACE_MS = 2_000;
/** A connection that is back within this was not away. */
const BLINK_MS = 1_500;

export interface LiveOptions {
  url: string;
  ticket: () => Promise<string | null>;
  onSessionEnded: () => void;
  /** After a reconnection the server no longer gives this: what is shown of it stays as it is. */
  onDropped?: ((want: Want) => void) | undefined;
}

/** What all components see of the one connection: they say what interests them, and read the newest values. */
export class Live {
  readonly #ticks = new Store<Tick>();
  readonly #worths = new Store<Worth>();
  readonly #newestTicks = new Newest();
  readonly #newestCandles = new Newest();
  /** Where a symbol is traded for who names no venue: the server chooses, and snapshots tell. */
  readonly #venues = new Map<string, string>();
  readonly #watches = new Set<Watch>();
  readonly #leaving = new Set<Watch>();
  /** Those that leave at this moment. */
  #departure: Watch[] | undefined;
  #wants: readonly Want[] = [];
  #isPlanned = false;
  #isSignedIn: boolean | undefined;
  #connection: Connection | undefined;

  readonly #statuses = new Store<LiveStatus>();
  #statusTimer: ReturnType<typeof setTimeout> | undefined;

  // --- what components use ---

  get status(): LiveStatus {
    return this.#statuses.get("") ?? "idle";
  }

  onStatus(listener: () => void): () => void {
    return this.#statuses.subscribe("", listener);
  }

  /** The newest price; without a venue that of the one which the server chose. */
  tick(symbol: string, venue = this.#venues.get(symbol)): Tick | undefined {
    return venue === undefined ? undefined : this.#ticks.get(tickSeries({ venue, symbol }));
  }

  onTick(symbol: string, listener: () => void): () => void {
    return this.#ticks.subscribe(symbol, listener);
  }

  worth(id: string): Worth | undefined {
    return this.#worths.get(id);
  }

  onWorth(id: string, listener: () => void): () => void {
    return this.#worths.subscribe(id, listener);
  }

  /** Says what somebody wants, until the function returned is called. */
  watch(interest: Interest): () => void {
    const watch: Watch = { interest, begunAt: Date.now(), told: new Once() };
    this.#watches.add(watch);
    this.#plan();
    return () => {
      if (this.#watches.delete(watch)) this.#release(watch);
    };
  }

  #release(watch: Watch): void {
    this.#leaving.add(watch);
    this.#plan();
    if (this.#departure) {
      this.#departure.push(watch);
      return;
    }
    const departure = [watch];
    this.#departure = departure;
    setTimeout(() => {
      for (const gone of departure) this.#leaving.delete(gone);
      this.#plan();
    }, GRACE_MS);
  }

  // --- what the provider does ---

  start(options: LiveOptions): void {
    this.#connection = new Connection({
      ...options,
      onDropped: (want) => options.onDropped?.(want),
      onValues: (told, isSnapshot) => this.#apply(told, isSnapshot),
      onStatus: (status) => this.#show(status),
    });
    this.#plan();
  }

  stop(): void {
    this.#connection?.close();
    this.#connection = undefined;
  }

  /** Who is there: what was another's is forgotten. While it is not known, nothing connects. */
  identify(isSignedIn: boolean | undefined): void {
    if (isSignedIn === this.#isSignedIn) return;
    this.#worths.clear();
    if (this.#isSignedIn !== undefined) this.#connection?.restart();
    this.#isSignedIn = isSignedIn;
    this.#plan();
  }

  /** What changes in one moment is said at once. */
  #plan(): void {
    if (this.#isPlanned) return;
    this.#isPlanned = true;
    queueMicrotask(() => {
      this.#isPlanned = false;
      this.#departure = undefined;
      if (this.#isSignedIn === undefined) return;
      this.#wants = union([...this.#leaving, ...this.#watches], this.#isSignedIn);
      this.#connection?.want(this.#wants);
    });
  }

  #show(status: LiveStatus): void {
    clearTimeout(this.#statusTimer);
    const show = () => this.#statuses.set("", status);
    if (status === "reconnecting") this.#statusTimer = setTimeout(show, BLINK_MS);
    else show();
  }

  // --- what comes ---

  #apply(told: Values, isSnapshot: boolean): void {
    switch (told.channel) {
      case "ticks":
        this.#learnVenues(told.channel, told.values, isSnapshot);
        for (const tick of told.values) this.#applyTick(tick);
        break;
      case "candles":
        this.#learnVenues(told.channel, told.values, isSnapshot);
        this.#tellCandles(told.values);
        break;
      case "news":
        this.#tellArticles(told.values);
        break;
      case "alerts":
        this.#tellAlerts(told.values);
        break;
      case "portfolio":
        for (const worth of told.values) this.#applyWorth(worth);
    }
  }

  /** Of a symbol asked for without a venue, a snapshot tells the venue chosen; changes may yet be of an earlier one. */
  #learnVenues(channel: "ticks" | "candles", values: readonly (Tick | Candle)[], isSnapshot: boolean): void {
    const unnamed = new Set<string>();
    for (const want of this.#wants) {
      if (want.channel === channel && want.venue === undefined) unnamed.add(want.symbol);
    }
    for (const { symbol, venue } of values) {
      const known = this.#venues.get(symbol);
      if (!unnamed.has(symbol) || known === venue || (known !== undefined && !isSnapshot)) continue;
      this.#venues.set(symbol, venue);
      this.#ticks.touch(symbol);
    }
  }

  #applyTick(tick: Tick): void {
    const series = tickSeries(tick);
    if (this.#newestTicks.take(series, Date.parse(tick.time))) this.#ticks.set(series, tick, tick.symbol);
  }

  #applyWorth(worth: Worth): void {
    const known = this.#worths.get(worth.id);
    if (!known || Date.parse(worth.time) >= Date.parse(known.time)) this.#worths.set(worth.id, worth);
  }

  #tellCandles(told: readonly Candle[]): void {
    const fresh = told.filter((candle) => {
      const isNewest = this.#newestCandles.take(candleSeries(candle), candleRank(candle));
      return isNewest || candle.closed; // a repair comes long after
    });
    for (const { interest } of this.#watches) {
      if (interest.channel !== "candles") continue;
      const { symbol, interval, venue = this.#venues.get(symbol) } = interest;
      const candles = fresh.filter(
        (candle) =>
          candle.symbol === symbol &&
          candle.interval === interval &&
          (venue === undefined || candle.venue === venue),
      );
      if (candles.length > 0) interest.tell(candles);
    }
  }

  #tellArticles(told: readonly Article[]): void {
    for (const { interest, told: once } of this.#watches) {
      if (interest.channel !== "news") continue;
      const { assets } = interest;
      const articles = told.filter(
        (article) =>
          (assets?.some((asset) => article.assets.includes(asset)) ?? true) && once.take(article.id),
      );
      if (articles.length > 0) interest.tell(articles);
    }
  }

  #tellAlerts(told: readonly FiredAlert[]): void {
    for (const { interest, told: once } of this.#watches) {
      if (interest.channel !== "alerts") continue;
      const alerts = told.filter(({ id }) => once.take(id));
      if (alerts.length > 0) interest.tell(alerts);
    }
  }
}
