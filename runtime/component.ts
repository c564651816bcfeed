/** The contract between the machine and its parts. A component is one value of type `Component` in one folder, and one line in a registry. */
import type { z } from 'zod'
import type { Batch, Signal } from '../proto/batch.js'
import type { Temporality } from './temporality.js'

/**
 * The one verb. The promise is the acknowledgement: resolved = delivered or durably held;
 * rejected = RetryableError (send again, perhaps after a while) or PermanentError (never; a PartialError: only some of its items, the rest is acknowledged).
 * Any other rejection is a bug and read as retryable.
 * A batch handed over belongs to everybody: nobody changes its bytes before the promise settles, and nobody reads them after: whoever keeps any of
 * them has copied them by then, because the memory is used again.
 */
export type Consume = (batch: Batch) => Promise<void>

/**
 * `start` returns quickly and rejects when the component cannot work (a taken port); it is called downstream first.
 * `stop` is called upstream first, is safe without start and twice, and settles what is in flight before it resolves, or gives up at `deadline`.
 * After a stop, start may be called again.
 */
export interface Lifecycle {
  start?(): Promise<void>
  stop?(deadline: AbortSignal): Promise<void>
}

export interface Consumer extends Lifecycle {
  consume: Consume
}

export interface ExporterInstance extends Consumer {
  /** What it takes, where its options decide; absent = what its component says. */
  readonly signals?: readonly Signal[]
  /** How correlated events are rendered for an exporter that does not take the signal `events`; absent = delta. */
  readonly temporality?: Temporality
}

export interface Clock {
  /** Wall time, milliseconds since the epoch, fractional. */
  now(): number
  /** Milliseconds that never go back, from an arbitrary zero. */
  monotonic(): number
  /** Runs `task` once after `ms`; the result cancels it. Does not keep the process alive. */
  after(ms: number, task: () => void): () => void
}

/** Structured log lines. Fields hold no secrets and no prompt content. */
export interface Log {
  debug(message: string, fields?: Record<string, unknown>): void
  info(message: string, fields?: Record<string, unknown>): void
  warn(message: string, fields?: Record<string, unknown>): void
  error(message: string, fields?: Record<string, unknown>): void
}

export type Labels = Readonly<Record<string, string>>
export interface Counter {
  add(amount: number): void
}
export interface Histogram {
  record(value: number): void
}

/**
 * The gateway's own metrics. Names are whole exposition names (`otelcol_…` as the Collector's, `ai_factory_gateway_…` for ours).
 * Asking twice for the same name and labels gives the same instrument. Bind labels once, outside hot loops.
 */
export interface Meter {
  counter(name: string, help: string, labels?: Labels): Counter
  /** `read` is called at each scrape. Asking again with the same name and labels replaces the reader. */
  gauge(name: string, help: string, labels: Labels, read: () => number): void
  histogram(name: string, help: string, bounds: readonly number[], labels?: Labels): Histogram
}

/** What main.ts put there for components to find: the streams, the health of the gateway. A token is made where its type lives. */
export class Token<T> {
  declare readonly type: T
  constructor(readonly name: string) {}
}
export interface Host {
  /** Throws when nothing was put there for `token`. */
  get<T>(token: Token<T>): T
}

export interface Context {
  /** The component's id in pipeline.yaml: `otlp`, `otlp_http/grafana`. */
  readonly id: string
  readonly log: Log
  readonly meter: Meter
  readonly clock: Clock
  readonly host: Host
}
/** Receivers and processors get the next consumer; an exporter has none. */
export interface Upstream extends Context {
  readonly next: Consume
  /** Name of the pipeline a processor stands in; a receiver, which may feed several, has none. */
  readonly pipeline?: string
  /**
   * Signals that somebody behind it takes: what the pipelines behind a receiver carry, what the processors and exporters behind a processor read. Nothing else
   * need be fetched or made. Absent = unknown.
   */
  readonly signals?: readonly Signal[]
}

export type Stability = 'development' | 'alpha' | 'beta' | 'stable'

export interface Kinds {
  receiver: { context: Upstream; instance: Lifecycle }
  processor: { context: Upstream; instance: Consumer }
  exporter: { context: Context; instance: ExporterInstance }
  extension: { context: Context; instance: Lifecycle }
}
export type Kind = keyof Kinds

/** One place in a pipeline where a component stands. */
export interface Placement<Config = unknown> {
  readonly id: string
  readonly pipeline: string
  /** What the pipeline carries: one signal or all. */
  readonly signals: readonly Signal[]
  readonly config: Config
}

export interface Component<K extends Kind = Kind, C extends z.ZodType = z.ZodType> {
  kind: K
  /** Folder name = type in pipeline.yaml = lower_snake_case. */
  type: string
  /** Other spellings read from pipeline.yaml (the Collector's old names). */
  aliases?: string[]
  summary: string
  stability: Stability
  /** Signals it works on. Others pass a processor untouched, and are never handed to an exporter. */
  signals: readonly Signal[]
  /** Of an exporter: it writes inside a transaction that a batch's metadata names (runtime/transactions.ts). */
  transactional?: true
  /** Every option with a default or required, and a `.describe()` sentence: what changes for the user, in which unit. */
  config: C
  /**
   * For a component that cannot stand anywhere: given all places of its type, which one is wrong and what the right form is.
   * Undefined when all are right. A problem is a configuration error at that place.
   */
  placement?(places: readonly Placement<z.infer<C>>[]): { place: Placement<z.infer<C>>; message: string } | undefined
  /** Title → yaml of the component's options. Each one is a test and part of its README. */
  examples: Record<string, string>
  create(config: z.infer<C>, context: Kinds[K]['context']): Kinds[K]['instance']
}

/** Keeps the static type of the options: `export default component({ kind: 'processor', … })`. */
export const component = <K extends Kind, C extends z.ZodType>(definition: Component<K, C>): Component<K, C> => definition

/** type → lazy import, so that only what the configuration names is loaded. */
// biome-ignore lint/suspicious/noExplicitAny: a registry holds components of every option type; each checks its own options before `create`.
export type Registry<K extends Kind> = Record<string, () => Promise<{ default: Component<K, any> }>>
