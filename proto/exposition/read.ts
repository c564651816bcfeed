/** An exposition as objects, for the cold paths: tests, tools, simulators. The receiver walks the Cursor itself. */
import { Cursor, END, type Format, HELP, type MetricType, SAMPLE, TYPE, UNIT } from './cursor.js'
import { ExpositionError } from './error.js'
import { type ExemplarText, readExemplar } from './exemplar.js'
import { Lines } from './lines.js'
import { type Label, readSeries } from './series.js'

export interface Sample {
  /** Whole, with the suffix: `http_requests_total`, `latency_seconds_bucket`. */
  name: string
  labels: readonly Label[]
  value: number
  /** Milliseconds since the epoch. */
  timestamp?: number
  exemplar?: ExemplarText
}
/** What the comments say of one name, and the samples that follow them up to the next family. */
export interface Family {
  /** As in `# TYPE`; of samples without comments, their own name. */
  name: string
  type: MetricType
  help?: string
  unit?: string
  samples: Sample[]
}

const SUFFIXES = ['', '_total', '_created', '_bucket', '_sum', '_count', '_info', '_gsum', '_gcount']

/** Throws ExpositionError on anything that is no exposition in `format`. */
export const readExposition = (body: Uint8Array, format: Format): Family[] => {
  const families = new Map<string, Family>()
  const familyOf = (name: string): Family => {
    let family = families.get(name)
    if (!family) families.set(name, (family = { name, type: 'unknown', samples: [] }))
    return family
  }
  const cursor = new Cursor(format)
  const lines = new Lines((bytes, start, end) => {
    cursor.reset(bytes, start, end)
    for (let kind = cursor.next(); kind !== END; kind = cursor.next()) {
      if (kind === HELP) familyOf(cursor.name).help = cursor.text
      else if (kind === TYPE) familyOf(cursor.name).type = cursor.text as MetricType
      else if (kind === UNIT) familyOf(cursor.name).unit = cursor.text
      else if (kind === SAMPLE) {
        cursor.scanSeries()
        const { name, labels } = readSeries(bytes, cursor.seriesStart, cursor.seriesEnd, cursor.line)
        cursor.readSample()
        const sample: Sample = { name, labels, value: cursor.value }
        if (!Number.isNaN(cursor.timestamp)) sample.timestamp = cursor.timestamp
        if (cursor.exemplarEnd > cursor.exemplarStart)
          sample.exemplar = readExemplar(bytes, cursor.exemplarStart, cursor.exemplarEnd, cursor.line)
        const suffix = SUFFIXES.find(suffix => name.endsWith(suffix) && families.has(name.slice(0, name.length - suffix.length)))
        familyOf(suffix === undefined ? name : name.slice(0, name.length - suffix.length)).samples.push(sample)
      }
    }
  })
  lines.feed(Buffer.from(body.buffer, body.byteOffset, body.length))
  lines.end()
  if (format === 'openmetrics' && !cursor.complete) throw new ExpositionError('no # EOF: the exposition is not whole', 'truncated')
  return [...families.values()]
}
