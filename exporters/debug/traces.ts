import type { Batch } from '../../proto/batch.js'
import { SPAN } from '../../proto/fields.js'
import { Attributes } from '../../proto/views/attributes.js'
import { ResourceView } from '../../proto/views/resource.js'
import { SpanCursor, type SpanView } from '../../proto/views/traces.js'
import { BYTES, Fields } from '../../proto/wire.js'
import { attributeLines, attributesInLine, scopeLines, time, words } from './text.js'

const KINDS = ['Unspecified', 'Internal', 'Server', 'Client', 'Producer', 'Consumer']
const CODES = ['Unset', 'Ok', 'Error']
/** Span.Event {1 time, 2 name, 3 attributes}; Span.Link {1 trace id, 2 span id, 4 attributes}. */
const EVENT = { time: 1, name: 2, attributes: 3 } as const
const LINK = { traceId: 1, spanId: 2, attributes: 4 } as const

export const normalTraces = (batch: Batch): string[] => {
  const lines: string[] = []
  const spans = new SpanCursor()
  batch.groups.forEach((group, index) => {
    lines.push(words(`ResourceTraces #${index}`, attributesInLine(new ResourceView().read(group.resource).attributes)))
    spans.over(group.rest)
    let scope = -1
    while (spans.next()) {
      if (spans.scopeIndex !== scope) lines.push(words(`ScopeTraces #${(scope = spans.scopeIndex)}`, spans.scope.name()))
      const { span } = spans
      lines.push(words(span.name(), span.traceId(), span.spanId(), attributesInLine(span.attributes)))
    }
  })
  return lines
}

export const detailedTraces = (batch: Batch): string[] => {
  const lines: string[] = []
  const spans = new SpanCursor()
  batch.groups.forEach((group, index) => {
    lines.push(`ResourceSpans #${index}`, ...attributeLines('Resource attributes', new ResourceView().read(group.resource).attributes))
    spans.over(group.rest)
    let scope = -1
    let number = 0
    while (spans.next()) {
      if (spans.scopeIndex !== scope) {
        number = 0
        lines.push(`ScopeSpans #${(scope = spans.scopeIndex)}`, ...scopeLines(spans.scope))
      }
      lines.push(`Span #${number++}`, ...spanLines(spans.span))
    }
  })
  return lines
}

const spanLines = (span: SpanView): string[] => [
  `    Trace ID       : ${span.traceId()}`,
  `    Parent ID      : ${span.parentSpanId()}`,
  `    ID             : ${span.spanId()}`,
  `    Name           : ${span.name()}`,
  `    Kind           : ${KINDS[span.kind] ?? span.kind}`,
  `    Start time     : ${time(span.startNanos)}`,
  `    End time       : ${time(span.endNanos)}`,
  `    Status code    : ${CODES[span.statusCode] ?? span.statusCode}`,
  `    Status message : ${span.statusMessage()}`,
  ...attributeLines('Attributes', span.attributes),
  ...partLines('Events', 'SpanEvent', span, SPAN.events, eventLines),
  ...partLines('Links', 'SpanLink', span, SPAN.links, linkLines),
]

/** The repeated messages of field `number`, each read by `read`. */
const partLines = (title: string, one: string, span: SpanView, number: number, read: (part: Fields) => string[]): string[] => {
  const lines: string[] = []
  const field = new Fields(span.bytes, span.start, span.end)
  let count = 0
  while (field.next()) {
    if (field.number !== number || field.type !== BYTES) continue
    lines.push(`${one} #${count++}`, ...read(new Fields().enter(field)))
  }
  return count === 0 ? [] : [`${title}:`, ...lines]
}

const eventLines = (event: Fields): string[] => {
  const attributes = new Attributes()
  attributes.clear(event.bytes)
  let name = ''
  let nanos = 0n
  while (event.next()) {
    if (event.number === EVENT.name) name = event.string()
    else if (event.number === EVENT.time) nanos = event.fixed64()
    else if (event.number === EVENT.attributes) attributes.addField(event)
  }
  return [`     -> Name: ${name}`, `     -> Timestamp: ${time(nanos)}`, ...attributeLines('     -> Attributes', attributes)]
}

const linkLines = (link: Fields): string[] => {
  const attributes = new Attributes()
  attributes.clear(link.bytes)
  let traceId = ''
  let spanId = ''
  while (link.next()) {
    if (link.number === LINK.traceId) traceId = Buffer.from(link.view()).toString('hex')
    else if (link.number === LINK.spanId) spanId = Buffer.from(link.view()).toString('hex')
    else if (link.number === LINK.attributes) attributes.addField(link)
  }
  return [`     -> Trace ID: ${traceId}`, `     -> ID: ${spanId}`, ...attributeLines('     -> Attributes', attributes)]
}
