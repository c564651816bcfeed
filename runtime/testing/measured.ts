/** What receivers that measure have sent, to be read in tests; and waiting for it. */
import type { Batch } from '../../proto/batch.js'
import { decode, type Plain, requestType } from '../../proto/testing/oracle.js'

export interface MeasuredPoint {
  readonly name: string
  readonly unit: string
  readonly kind: 'gauge' | 'counter' | 'updown'
  readonly value: number
  /** Written as an integer. */
  readonly whole: boolean
  /** Milliseconds since the epoch; undefined = not said. */
  readonly start: number | undefined
  readonly time: number
  readonly attributes: Readonly<Record<string, string | number>>
  readonly resource: Readonly<Record<string, string | number>>
}

const attributesOf = (list: Plain[] = []): Record<string, string | number> =>
  Object.fromEntries(list.map(({ key, value }) => [key, value.stringValue ?? Number(value.intValue ?? value.doubleValue)]))
const millis = (nanos: string | undefined): number | undefined => (nanos === undefined ? undefined : Number(BigInt(nanos) / 1_000n) / 1000)

/** Every point of a batch, as protobufjs reads it. */
export const measured = (batch: Batch): MeasuredPoint[] => {
  const points: MeasuredPoint[] = []
  for (const group of decode(requestType('metrics'), Buffer.concat(batch.slices)).resourceMetrics)
    for (const scope of group.scopeMetrics)
      for (const metric of scope.metrics) {
        expect(metric.description).toMatch(/^[A-Z0-9].*\.$/)
        if (metric.sum) expect(metric.sum.aggregationTemporality).toBe(2)
        for (const point of (metric.gauge ?? metric.sum).dataPoints)
          points.push({
            name: metric.name,
            unit: metric.unit,
            kind: metric.gauge ? 'gauge' : metric.sum.isMonotonic ? 'counter' : 'updown',
            value: Number(point.asInt ?? point.asDouble),
            whole: point.asInt !== undefined,
            start: millis(point.startTimeUnixNano),
            time: millis(point.timeUnixNano)!,
            attributes: attributesOf(point.attributes),
            resource: attributesOf(group.resource.attributes),
          })
      }
  expect(points).toHaveLength(batch.items)
  // Two points of one series in one batch would be a wrong number to whoever sums them.
  const series = points.map(({ name, attributes }) => JSON.stringify([name, attributes]))
  expect(series).toEqual([...new Set(series)])
  return points
}

/** The one point of a metric whose attributes hold all of `where`; undefined when there is none. */
export const only = (points: readonly MeasuredPoint[], name: string, where: Readonly<Record<string, string | number>> = {}) => {
  const found = points.filter(
    point => point.name === name && Object.entries(where).every(([key, value]) => point.attributes[key] === value),
  )
  expect(found.length).toBeLessThan(2)
  return found[0]
}

/** Waits in real time until `condition`; throws after `ms`. */
export const until = async (condition: () => boolean, what: string, ms = 10_000): Promise<void> => {
  const end = performance.now() + ms
  while (!condition()) {
    if (performance.now() > end) throw new Error(`waited in vain for ${what}`)
    await new Promise(resolve => setTimeout(resolve, 10))
  }
}
