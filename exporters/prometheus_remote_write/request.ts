/** Series with their samples as requests of either version, none larger than allowed. Source: prometheus/prometheus prompb/{remote,types}.proto and prompb/io/prometheus/write/v2/types.proto. */
import { Writer } from '../../proto/wire.js'
import type { Exemplar, Family, Line, Series } from './series.js'

export type Version = 1 | 2

interface Part {
  readonly series: Series
  /** Times of its newest sample and exemplar. */
  readonly newest: number
  readonly newestExemplar: number
}

/** One request body, uncompressed, and what is in it. */
export interface Body {
  readonly bytes: Uint8Array
  /** What is in it of each series. */
  readonly parts: readonly Part[]
  /** OTLP points. */
  readonly points: number
  readonly samples: number
  readonly histograms: number
  readonly exemplars: number
}

const REQUEST_V1 = { timeseries: 1, metadata: 3 } as const
const REQUEST_V2 = { symbols: 4, timeseries: 5 } as const
const SERIES = {
  1: { labels: 1, samples: 2, exemplars: 3, histograms: 4 },
  2: { labels: 1, samples: 2, histograms: 3, exemplars: 4, metadata: 5 },
} as const
const LABEL = { name: 1, value: 2 } as const
const METADATA_V1 = { type: 1, family: 2, help: 4, unit: 5 } as const
const METADATA_V2 = { type: 1, help: 3, unit: 4 } as const
const SAMPLE = { value: 1, timestamp: 2, start: 3 } as const
const HISTOGRAM = { timestamp: 15, start: 17 } as const
const EXEMPLAR = { labels: 1, value: 2, timestamp: 3 } as const

/** The one NaN that says "this series ends here". Source: prometheus/prometheus model/value. */
const STALE = 0x7ff0_0000_0000_0002n

export interface RequestOptions {
  readonly version: Version
  /** A request ends with the series that makes it so large. */
  readonly maxBytes: number
  readonly metadata: boolean
  /** Whether it is `target_info`, which is no point of the batch. */
  readonly isInfo: (family: Family) => boolean
}

/** The backend has what is in `body`. */
export const acknowledge = ({ parts }: Body): void => {
  for (const { series, newest, newestExemplar } of parts) {
    series.taken = Math.max(series.taken, newest)
    series.exemplarsTaken = Math.max(series.exemplarsTaken, newestExemplar)
  }
}

export const encodeRequests = (all: readonly Series[], options: RequestOptions): Body[] => {
  const bodies: Body[] = []
  let body = new Encoder(options)
  for (const series of all) {
    if (series.times.length === 0) continue
    body.add(series)
    if (body.length < options.maxBytes) continue
    bodies.push(body.finish())
    body = new Encoder(options)
  }
  if (body.length > 0) bodies.push(body.finish())
  return bodies
}

class Encoder {
  private readonly writer = new Writer(1 << 16)
  private readonly one = new Writer(1 << 12)
  private readonly symbols = new Map<string, number>([['', 0]])
  private symbolBytes = 0
  private readonly families = new Set<Family>()
  private readonly parts: Part[] = []
  private points = 0
  private samples = 0
  private histograms = 0
  private exemplars = 0

  constructor(private readonly options: RequestOptions) {}

  /** About the bytes so far. */
  get length(): number {
    return this.writer.length + this.symbolBytes
  }

  add(series: Series): void {
    const { writer, options } = this
    let newestExemplar = Number.NEGATIVE_INFINITY
    if (!options.isInfo(series.family)) this.points += series.times.length
    this.families.add(series.family)
    for (const line of series.lines) {
      if (line.times.length === 0) continue
      order(line)
      for (const { time } of line.exemplars) newestExemplar = Math.max(newestExemplar, time)
      writer.bytes(options.version === 1 ? REQUEST_V1.timeseries : REQUEST_V2.timeseries, this.encode(line, series.family))
    }
    this.parts.push({ series, newest: Math.max(...series.times), newestExemplar })
  }

  finish(): Body {
    const { writer, options, parts, points, samples, histograms, exemplars } = this
    if (options.version === 1 && options.metadata)
      for (const family of this.families)
        writer.message(REQUEST_V1.metadata, each =>
          each
            .uint(METADATA_V1.type, family.type)
            .string(METADATA_V1.family, family.name)
            .string(METADATA_V1.help, family.help)
            .string(METADATA_V1.unit, family.unit),
        )
    let bytes = writer.finish()
    if (options.version === 2) {
      const head = new Writer(this.symbolBytes + bytes.length)
      for (const symbol of this.symbols.keys()) head.string(REQUEST_V2.symbols, symbol)
      bytes = head.raw(bytes).finish()
    }
    return { bytes, parts, points, samples, histograms, exemplars }
  }

  /** The body of a TimeSeries; good until the next. */
  private encode(line: Line, family: Family): Uint8Array {
    const { version } = this.options
    const fields = SERIES[version]
    const one = this.one.clear()
    if (version === 1) writeLabels(one, fields.labels, line.texts)
    else this.writeRefs(one, fields.labels, line.texts)
    const native = line.histograms.length > 0
    for (let i = 0; i < line.times.length; i++) {
      const time = line.times[i]!
      const start = version === 2 ? startOf(line, i) : 0
      if (native) {
        one.begin(fields.histograms).raw(line.histograms[i]!).uint(HISTOGRAM.timestamp, time)
        if (start > 0) one.uint(HISTOGRAM.start, start)
      } else {
        one.begin(fields.samples)
        if (line.stale[i]) one.fixed64(SAMPLE.value, STALE)
        else one.double(SAMPLE.value, line.values[i]!)
        one.uint(SAMPLE.timestamp, time)
        if (start > 0) one.uint(SAMPLE.start, start)
      }
      one.end()
    }
    if (native) this.histograms += line.times.length
    else this.samples += line.times.length
    for (const exemplar of line.exemplars) this.writeExemplar(one, fields.exemplars, exemplar)
    this.exemplars += line.exemplars.length
    if (version === 2) {
      one.begin(SERIES[2].metadata).uint(METADATA_V2.type, family.type)
      one.uint(METADATA_V2.help, this.symbol(family.help)).uint(METADATA_V2.unit, this.symbol(family.unit)).end()
    }
    return one.copy()
  }

  private writeExemplar(writer: Writer, field: number, { labels, value, time }: Exemplar): void {
    const texts = labels.flatMap(label => [label.name, label.value])
    writer.begin(field)
    if (this.options.version === 1) writeLabels(writer, EXEMPLAR.labels, texts)
    else this.writeRefs(writer, EXEMPLAR.labels, texts)
    writer.double(EXEMPLAR.value, value).uint(EXEMPLAR.timestamp, time).end()
  }

  private writeRefs(writer: Writer, field: number, texts: readonly string[]): void {
    writer.begin(field)
    for (const text of texts) writer.varintValue(this.symbol(text))
    writer.end()
  }

  private symbol(text: string): number {
    let number = this.symbols.get(text)
    if (number === undefined) {
      number = this.symbols.size
      this.symbols.set(text, number)
      this.symbolBytes += text.length + 2
    }
    return number
  }
}

const writeLabels = (writer: Writer, field: number, texts: readonly string[]): void => {
  for (let i = 0; i < texts.length; i += 2)
    writer
      .begin(field)
      .string(LABEL.name, texts[i]!)
      .string(LABEL.value, texts[i + 1]!)
      .end()
}

/** A start that is no start (none, or not before the sample) is not said. */
const startOf = (line: Line, index: number): number => {
  const start = line.starts[index]!
  return start < line.times[index]! ? start : 0
}

/** By time, which they are but for senders that mix it up. Times differ: see `place` in gather.ts. */
const order = (line: Line): void => {
  if (line.times.every((time, i) => i === 0 || time > line.times[i - 1]!)) return
  const sorted = line.times.map((_, i) => i).sort((a, b) => line.times[a]! - line.times[b]!)
  const pick = <T>(list: T[]): void => {
    if (list.length === 0) return
    const before = list.slice()
    sorted.forEach((from, to) => {
      list[to] = before[from]!
    })
  }
  pick(line.values)
  pick(line.starts)
  pick(line.stale)
  pick(line.histograms)
  pick(line.times)
}
