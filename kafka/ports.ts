/** What the Kafka client needs from outside, satisfied by shape (runtime's Context has all three). */

export interface Clock {
  /** Wall time, milliseconds since the epoch, fractional. */
  now(): number
  /** Milliseconds that never go back, from an arbitrary zero. */
  monotonic(): number
  /** Runs `task` once after `ms`; the result cancels it. Does not keep the process alive. */
  after(ms: number, task: () => void): () => void
}

export interface Log {
  debug(message: string, fields?: Record<string, unknown>): void
  info(message: string, fields?: Record<string, unknown>): void
  warn(message: string, fields?: Record<string, unknown>): void
  error(message: string, fields?: Record<string, unknown>): void
}

export interface Ports {
  readonly clock: Clock
  readonly log: Log
}
