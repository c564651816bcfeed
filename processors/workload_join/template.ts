/** The attributes that the join writes on a span (rule 16), encoded once; for each span only the numbers are put in. */
import { writeAttribute } from '../../proto/attribute.js'
import { SPAN } from '../../proto/fields.js'
import * as names from '../../proto/vocabulary/attributes.js'
import { Writer } from '../../proto/wire.js'
import { FIGURE } from './figure.js'

export type Enrich = 'full' | 'compact'
export type SpanOutcome = 'matched' | 'unmatched' | 'late'

const FIGURES: readonly (readonly [figure: number, name: string, compact: boolean])[] = [
  [FIGURE.coverage, names.JOIN_COVERAGE, true],
  [FIGURE.carried, names.JOIN_CARRIED, false],
  [FIGURE.utilization, names.GPU_UTILIZATION, true],
  [FIGURE.smActive, names.GPU_SM_ACTIVE, false],
  [FIGURE.memoryUtilization, names.GPU_MEMORY_UTILIZATION, true],
  [FIGURE.memoryUsage, names.GPU_MEMORY_USAGE, false],
  [FIGURE.power, names.GPU_POWER, true],
  [FIGURE.temperatureMax, names.GPU_TEMPERATURE_MAX, false],
  [FIGURE.throttled, names.GPU_THROTTLED, false],
  [FIGURE.queueDepth, names.ENGINE_QUEUE_DEPTH, true],
  [FIGURE.running, names.ENGINE_RUNNING, true],
  [FIGURE.kvCache, names.ENGINE_KV_CACHE_UTILIZATION, true],
]

/** Keys that the join may write: what a span has of them already is replaced. */
export const WRITTEN: ReadonlySet<string> = new Set([
  names.WORKLOAD_ID,
  names.WORKLOAD_SOURCE,
  names.WORKLOAD_CONFIDENCE,
  names.JOIN_OUTCOME,
  names.GPU_COUNT,
  names.GPU_IDS,
  ...FIGURES.map(([, name]) => name),
])

/** At most so many ids on one span. */
const MAX_IDS = 64
/** Not a whole number, so that it is written as a double. */
const PLACE = 0.5

export interface Said {
  readonly id: string
  readonly source: string
  readonly confidence: string
  readonly gpus: readonly string[]
}

export class Template {
  readonly bytes: Uint8Array
  /** Figure at `figures[i]` is a double at `places[i]` of the bytes. */
  readonly figures: readonly number[]
  readonly places: readonly number[]

  /** `mask`: bit i = figure i is known. */
  constructor(said: Said, outcome: SpanOutcome, mask: number, enrich: Enrich) {
    const writer = new Writer(1024)
    const figures: number[] = []
    const places: number[] = []
    const full = enrich === 'full'
    const write = (name: string, value: Parameters<typeof writeAttribute>[3]) => writeAttribute(writer, SPAN.attributes, name, value)
    write(names.WORKLOAD_ID, said.id)
    if (full && said.source !== '') write(names.WORKLOAD_SOURCE, said.source)
    if (full && said.confidence !== '') write(names.WORKLOAD_CONFIDENCE, said.confidence)
    write(names.JOIN_OUTCOME, outcome)
    if (said.gpus.length > 0) write(names.GPU_COUNT, said.gpus.length)
    if (full && said.gpus.length > 0) write(names.GPU_IDS, said.gpus.slice(0, MAX_IDS))
    for (const [figure, name, compact] of FIGURES) {
      if ((mask & (1 << figure)) === 0 || !(full || compact)) continue
      write(name, PLACE)
      figures.push(figure)
      places.push(writer.length - 8)
    }
    this.bytes = writer.finish()
    this.figures = figures
    this.places = places
  }
}

/** Templates of one set of targets by outcome and mask. */
export class Templates {
  private readonly made = new Map<number, Template>()
  /** Spans of one chunk mostly know the same. */
  private lastKey = -1
  private last: Template | undefined

  constructor(
    private readonly said: Said,
    private readonly enrich: Enrich,
  ) {}

  get(outcome: SpanOutcome, mask: number): Template {
    const key = mask * 4 + (outcome === 'matched' ? 0 : outcome === 'unmatched' ? 1 : 2)
    if (key === this.lastKey && this.last) return this.last
    let template = this.made.get(key)
    if (!template) {
      template = new Template(this.said, outcome, mask, this.enrich)
      this.made.set(key, template)
    }
    this.lastKey = key
    this.last = template
    return template
  }
}
