/** Exemplars of a data point, with the trace they are from. Source: OpenTelemetry specification, compatibility/prometheus_and_openmetrics.md, "Exemplars". */
import { EXEMPLAR } from '../../proto/fields.js'
import { Attributes } from '../../proto/views/attributes.js'
import { BYTES, Fields } from '../../proto/wire.js'
import type { Exemplar } from './series.js'

/** OpenMetrics allows so many characters in all labels of an exemplar; attributes that do not fit are left out. */
const LONGEST = 128

const hex = (bytes: Uint8Array): string => {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex')
  return /^0*$/.test(text) ? '' : text
}

export class ExemplarReader {
  private readonly fields = new Fields()
  private readonly inner = new Fields()
  private readonly attributes = new Attributes()

  /** Those in field `number` of the point `bytes[start, end)`, by time. `name` makes label names. Throws WireError. */
  read(bytes: Uint8Array, start: number, end: number, number: number, name: (key: string) => string): readonly Exemplar[] {
    let found: Exemplar[] | undefined
    const fields = this.fields.reset(bytes, start, end)
    while (fields.next()) if (fields.number === number) (found ??= []).push(this.one(fields, name))
    return found?.sort((a, b) => a.time - b.time) ?? NONE
  }

  private one(field: Fields, name: (key: string) => string): Exemplar {
    const fields = this.inner.enter(field.expect(BYTES))
    this.attributes.clear(field.bytes)
    let time = 0
    let value = 0
    let trace = ''
    let span = ''
    while (fields.next()) {
      if (fields.number === EXEMPLAR.time) time = Math.trunc(fields.millis())
      else if (fields.number === EXEMPLAR.asDouble) value = fields.double()
      else if (fields.number === EXEMPLAR.asInt) value = fields.sfixed64()
      else if (fields.number === EXEMPLAR.traceId) trace = hex(fields.view())
      else if (fields.number === EXEMPLAR.spanId) span = hex(fields.view())
      else if (fields.number === EXEMPLAR.filteredAttributes) this.attributes.addField(fields)
    }
    const labels = new Map<string, string>()
    if (trace !== '') labels.set('trace_id', trace)
    if (span !== '') labels.set('span_id', span)
    let length = 0
    for (const [key, text] of labels) length += key.length + text.length
    for (let index = 0; index < this.attributes.length; index++) {
      const key = name(this.attributes.key(index))
      const text = this.attributes.value(index).text()
      if (labels.has(key) || length + key.length + text.length > LONGEST) continue
      labels.set(key, text)
      length += key.length + text.length
    }
    return { labels: [...labels].map(([name, value]) => ({ name, value })).sort((a, b) => (a.name < b.name ? -1 : 1)), value, time }
  }
}

const NONE: readonly Exemplar[] = []
