/** Books by item of what a backend received: every span, data point and event with the moments at which it came and its content. */
import { createHash } from 'node:crypto'
import { Batch, type Group } from '../../proto/batch.js'
import type { Attributes } from '../../proto/views/attributes.js'
import type { ItemView } from '../../proto/views/item.js'
import { LogCursor } from '../../proto/views/logs.js'
import { MetricCursor, TEMPORALITY } from '../../proto/views/metrics.js'
import { NumberPointView } from '../../proto/views/points.js'
import { ResourceView } from '../../proto/views/resource.js'
import { SpanCursor } from '../../proto/views/traces.js'
import * as names from '../../proto/vocabulary/attributes.js'
import type { Received } from './backend.js'
import { sampleName } from './factory-load.js'

export interface Item {
  readonly kind: 'span' | 'sample' | 'event' | 'figure'
  /** When each copy came, milliseconds since the epoch. */
  readonly times: number[]
  /** Different contents among the copies; one when all are equal. */
  readonly contents: Set<string>
}

/** A data point of a correlated event's sum. */
export interface Amount {
  readonly workload: string
  /** `ai_factory.tokens{gen_ai.token.type=input}`; without the workload and without `late`, whose amounts add to the others. */
  readonly figure: string
  readonly value: number
}

export interface Deliveries {
  readonly items: ReadonlyMap<string, Item>
  /** Each once, however many copies came. */
  readonly amounts: readonly Amount[]
  /** End of the newest window that closed, by workload; milliseconds since the epoch. */
  readonly closed: ReadonlyMap<string, number>
}

const key = (name: string) => Buffer.from(name)
const WORKLOAD = key(names.WORKLOAD_ID)
const EVENT = key(names.EVENT_ID)

const labelsOf = (attributes: Attributes, without: readonly string[] = []): string =>
  Array.from({ length: attributes.length }, (_, index) => [attributes.key(index), attributes.value(index).text()] as const)
    .filter(([name]) => !without.includes(name))
    .map(([name, value]) => `{${name}=${value}}`)
    .join('')

export const deliveriesOf = (requests: readonly Received[]): Deliveries => {
  const items = new Map<string, Item>()
  const amounts: Amount[] = []
  const closed = new Map<string, number>()

  /** True for the first of its copies. */
  const add = (kind: Item['kind'], name: string, view: ItemView, { resource }: Group, at: number): boolean => {
    const content = createHash('sha1').update(resource).update(view.bytes.subarray(view.start, view.end)).digest('base64')
    const item = items.get(name)
    if (!item) items.set(name, { kind, times: [at], contents: new Set([content]) })
    else {
      item.times.push(at)
      item.contents.add(content)
    }
    return item === undefined
  }
  const addPoints = (group: Group, workload: string, at: number): void => {
    const metrics = new MetricCursor().over(group.rest)
    while (metrics.next()) {
      const { metric } = metrics
      const name = metric.name()
      while (metrics.nextPoint()) {
        const { point } = metrics
        if (!name.startsWith(names.PREFIX)) {
          add('sample', sampleName(name, labelsOf(point.attributes), Math.round(point.time)), point, group, at)
          continue
        }
        closed.set(workload, Math.max(closed.get(workload) ?? 0, point.time))
        const first = add('figure', `${name}${labelsOf(point.attributes)} from ${point.startTime}`, point, group, at)
        if (first && point instanceof NumberPointView && metric.isMonotonic && metric.temporality === TEMPORALITY.delta)
          amounts.push({ workload, figure: name + labelsOf(point.attributes, [names.WORKLOAD_ID, names.LATE]), value: point.value })
      }
    }
  }
  for (const { signal, body, at } of requests)
    for (const group of Batch.of(signal, [body], 0).groups) {
      const workload = new ResourceView().read(group.resource).attributes.string(WORKLOAD) ?? ''
      const spans = new SpanCursor().over(group.rest)
      const logs = new LogCursor().over(group.rest)
      if (signal === 'traces') while (spans.next()) add('span', spans.span.spanId(), spans.span, group, at)
      else if (signal === 'logs') while (logs.next()) add('event', logs.record.attributes.string(EVENT) ?? '', logs.record, group, at)
      else addPoints(group, workload, at)
    }
  return { items, amounts, closed }
}

/** Sum of the amounts of one figure of one workload. */
export const sumOf = (amounts: readonly Amount[], workload: string, figure: string): number =>
  amounts.reduce((sum, amount) => (amount.workload === workload && amount.figure === figure ? sum + amount.value : sum), 0)
