/**
 * The door's scales: how many bytes may be inside at once, and how much memory the process may take.
 *
 * Whoever takes in bytes from outside reserves them before holding or decoding them, and gives them back when they are delivered or refused.
 * Two things are judged: bytes admitted and not yet settled, and resident memory (RSS), which also sees what buffers, native code and the
 * heap's own slack take. RSS is dear to read, so it is sampled, and between samples it is taken to grow by what was admitted since.
 */
import { totalmem } from 'node:os'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { type Clock, Token } from './component.js'
import { RetryableError } from './errors.js'

export interface Admission {
  /**
   * Counts `bytes` as held until the result is called (calling it again does nothing).
   * Throws RetryableError (`memory_pressure`, with a delay) when they do not fit now.
   */
  reserve(bytes: number): () => void
  /** Throws as `reserve` does when memory is short: for batches whose bytes nobody reserved. */
  check(): void
  /** Adds a limit; the strictest one rules. The result takes it away again. */
  limit(limit: MemoryLimit): () => void
  /** Bytes reserved now. */
  readonly admitted: number
}
/** Where components find it: `context.host.get(Admission)`. */
export const Admission = new Token<Admission>('admission')

/** Sizes in bytes, intervals in milliseconds. */
export interface MemoryLimit {
  /** What the process should not exceed. */
  readonly limit: number
  /** Senders are refused above `limit - spike`. */
  readonly spike: number
  readonly checkInterval: number
  /** A garbage collection is asked for at most this often while above the soft limit, and above the limit. */
  readonly gcInterval: { readonly soft: number; readonly hard: number }
  /** Told at a check when resident memory crosses the soft limit, either way. */
  crossed?(short: boolean, rss: number): void
}

/** What the operating system and the engine are asked for; tests give their own. */
export interface Memory {
  /** Resident bytes of the process. */
  rss(): number
  collectGarbage(): void
}

/** Without any limit configured: a quarter of the machine's (or the container's) memory may be held in unsettled bytes. */
export const defaultBudget = (): number => memoryOfMachine() / 4

/** Bytes this process may use by the word of the container or, without one, of the machine. */
export const memoryOfMachine = (): number => {
  const constrained = process.constrainedMemory()
  return constrained > 0 && constrained < totalmem() ? constrained : totalmem()
}

const NO_LIMIT: MemoryLimit = { limit: Number.POSITIVE_INFINITY, spike: 0, checkInterval: 0, gcInterval: { soft: 0, hard: 0 } }
const LEAST_DELAY = 1_000
/**
 * Between the soft limit and the limit so much of the spike may still be held. Memory that was given back often stays resident: with little
 * held, refusing frees none of it, while new requests use it again.
 */
const REUSED = 0.5
/** At least this, however small the spike. */
const TRICKLE = 1 << 20

export class MemoryAdmission implements Admission {
  private held = 0
  private readonly limits = new Set<MemoryLimit>()
  private strictest = NO_LIMIT
  private sampledRss = 0
  private heldAtSample = 0
  private short = false
  private lastCollection = Number.NEGATIVE_INFINITY
  private cancelSampling: (() => void) | undefined

  constructor(
    private readonly clock: Clock,
    private readonly budget = defaultBudget(),
    private readonly memory: Memory = processMemory,
  ) {}

  get admitted(): number {
    return this.held
  }

  reserve(bytes: number): () => void {
    this.judge(bytes)
    this.held += bytes
    let open = true
    return () => {
      if (!open) return
      open = false
      this.held -= bytes
    }
  }

  check(): void {
    this.judge(0)
  }

  limit(limit: MemoryLimit): () => void {
    this.limits.add(limit)
    this.choose()
    return () => {
      if (this.limits.delete(limit)) this.choose()
    }
  }

  private judge(bytes: number): void {
    const { limit, spike } = this.strictest
    const soft = limit - spike
    const admitted = this.held + bytes
    if (admitted > Math.min(soft, this.budget)) throw this.refusal(`${inMiB(admitted)} admitted and not yet delivered`)
    const resident = this.sampledRss + Math.max(0, admitted - this.heldAtSample)
    if (resident <= soft) return
    if (admitted <= Math.max(TRICKLE, spike * REUSED) && resident <= limit) return
    throw this.refusal(`${inMiB(resident)} of resident memory`)
  }

  /** Senders told to wait come back spread over as long again, not all at once. */
  private refusal(what: string): RetryableError {
    const delay = Math.max(LEAST_DELAY, this.strictest.checkInterval)
    return new RetryableError(`memory is short: ${what}; send again later`, 'memory_pressure', Math.round(delay * (1 + Math.random())))
  }

  private choose(): void {
    this.strictest = [...this.limits].reduce((a, b) => (b.limit - b.spike < a.limit - a.spike ? b : a), NO_LIMIT)
    this.cancelSampling?.()
    this.cancelSampling = undefined
    this.sampledRss = 0
    this.heldAtSample = 0
    this.short = false
    if (this.limits.size > 0) this.sample()
  }

  private sample(): void {
    this.measure()
    const { limit, spike, gcInterval } = this.strictest
    if (this.sampledRss > limit - spike) {
      const now = this.clock.monotonic()
      const interval = this.sampledRss > limit ? gcInterval.hard : gcInterval.soft
      if (now - this.lastCollection >= interval) {
        this.lastCollection = now
        this.memory.collectGarbage()
        this.measure()
      }
    }
    const short = this.sampledRss > limit - spike
    if (short !== this.short) for (const each of this.limits) each.crossed?.(short, this.sampledRss)
    this.short = short
    this.cancelSampling = this.clock.after(this.strictest.checkInterval, () => this.sample())
  }

  private measure(): void {
    this.sampledRss = this.memory.rss()
    this.heldAtSample = this.held
  }
}

const inMiB = (bytes: number): string => `${Math.round(bytes / 1_048_576)} MiB`

let exposedCollector: (() => void) | undefined
/** The engine collects when it allocates; a gateway that refuses does not allocate, so it has to be told. */
const collectGarbage = (): void => {
  if (exposedCollector === undefined) {
    setFlagsFromString('--expose-gc')
    exposedCollector = runInNewContext('gc') as () => void
  }
  exposedCollector()
}
const processMemory: Memory = { rss: () => process.memoryUsage.rss(), collectGarbage }
