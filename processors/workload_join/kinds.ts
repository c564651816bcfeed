/** Kinds of records on the stream, and what each one is. */
import type { Signal } from '../../proto/batch.js'

const traces = 16
const metrics = 17
const logs = 18
/** Samples for the join alone: another record passes them on. */
const joinOnly = 19
/** Energy of devices that somebody owns, told to `unallocated/<host>`; for the join alone. */
const owned = 20
/** No workload: the key is the fingerprint. `noTarget`: spans of a caller whose target was not found. */
const strayTraces = 24
const strayMetrics = 25
const strayLogs = 26
const noTarget = 27

const SIGNALS: Readonly<Record<number, Signal>> = {
  [traces]: 'traces',
  [metrics]: 'metrics',
  [logs]: 'logs',
  [joinOnly]: 'metrics',
  [owned]: 'metrics',
  [strayTraces]: 'traces',
  [strayMetrics]: 'metrics',
  [strayLogs]: 'logs',
  [noTarget]: 'traces',
}

export const KIND = {
  traces,
  metrics,
  logs,
  joinOnly,
  owned,
  noTarget,
  /** The kind for a signal, with or without a workload. */
  of: (signal: Signal, workload: boolean): number =>
    signal === 'traces'
      ? workload
        ? traces
        : strayTraces
      : signal === 'metrics'
        ? workload
          ? metrics
          : strayMetrics
        : workload
          ? logs
          : strayLogs,
  signal: (kind: number): Signal => SIGNALS[kind] ?? 'traces',
  /** Whether another record passes the items on. */
  copy: (kind: number): boolean => kind === joinOnly || kind === owned,
  /** Whether the record belongs to a workload. */
  joined: (kind: number): boolean => kind < strayTraces,
  outcome: (kind: number): 'no_target' | 'no_workload' => (kind === noTarget ? 'no_target' : 'no_workload'),
} as const
