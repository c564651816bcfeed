import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import protobuf from 'protobufjs'
import { Batch } from '../batch.js'
import { bareEvent } from '../testing/events.js'
import { decode, type Plain, requestType } from '../testing/oracle.js'
import { WORKLOAD_ID } from '../vocabulary/attributes.js'
import { Fields } from '../wire.js'
import { decodeEvents, encodeEvent, eventsBatch, MESSAGES } from './codec.js'
import type { CorrelatedEvent, Latency, LatencyName } from './event.js'
import { renderEvents } from './render.js'

const schema = join(__dirname, '../schema')
const proto = protobuf.parse(readFileSync(join(schema, 'events.proto'), 'utf8')).root
const published = proto.lookupType('ai_factory.v1.CorrelatedEvent')
const snake = (name: string) => name.replace(/[A-Z]/g, letter => `_${letter.toLowerCase()}`)

/** Never -0: as a field that is left out when it is zero it would come back as 0, and no figure is. */
const amount = fc.double({ noNaN: true, noDefaultInfinity: true }).map(value => value + 0)
const maybe = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined })
const record = (name: keyof typeof MESSAGES): fc.Arbitrary<Record<string, unknown>> =>
  fc
    .record(
      Object.fromEntries(
        MESSAGES[name].map(([, field, type, presence]) => {
          const scalars: Record<string, fc.Arbitrary<unknown>> = {
            string: fc.string(),
            bytes: fc.uint8Array({ maxLength: 20 }),
            uint: fc.integer({ min: 0, max: 4_000_000_000 }),
            double: amount,
            bool: fc.boolean(),
          }
          const one = scalars[type] ?? record(type as keyof typeof MESSAGES)
          if (presence === 'repeated') return [field, fc.array(one, { maxLength: 3 })]
          return [field, presence === 'optional' ? maybe(one) : one]
        }),
      ),
    )
    .map(object => Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)))
const anyEvent = record('CorrelatedEvent') as unknown as fc.Arbitrary<CorrelatedEvent>

/** Bytes as hex. */
const plain = (value: unknown): unknown => {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex')
  if (Array.isArray(value)) return value.map(plain)
  if (typeof value === 'object' && value !== null)
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, plain(inner)]))
  return value
}

const bytesOf = (batch: Batch): Buffer => Buffer.concat([...batch.slices])
/** The batch as another process would get it: bytes alone. */
const received = (batch: Batch): Batch => Batch.of(batch.signal, [bytesOf(batch)], batch.items, batch.metadata)

describe('correlated event', () => {
  test('written and read again it is the same', () => {
    fc.assert(
      fc.property(fc.array(anyEvent, { maxLength: 3 }), events => {
        expect(plain(decodeEvents(received(eventsBatch(events))))).toEqual(plain(events))
      }),
    )
  })

  test('what we write, a reader of the published .proto reads as the same', () => {
    fc.assert(
      fc.property(anyEvent, event => {
        const fields = new Fields(encodeEvent(event))
        fields.next()
        const theirs = published.toObject(published.decode(fields.view()), { longs: Number, defaults: true, arrays: true })
        const ours = decodeEvents(received(eventsBatch([event])))[0]
        for (const [, field] of MESSAGES.CorrelatedEvent) {
          const expected = ours?.[field as keyof CorrelatedEvent]
          if (expected !== undefined) expect({ [field]: plain(theirs[field]) }).toMatchObject({ [field]: plain(expected) })
        }
      }),
    )
  })

  test('.proto, .avsc and the codec’s table list the same fields', () => {
    type Avro = string | Avro[] | { type: string; name: string; items: Avro; fields: { name: string; type: Avro }[] }
    const avro = new Map<string, { name: string; type: Avro }[]>()
    const collect = (type: Avro): void => {
      if (Array.isArray(type)) type.forEach(collect)
      else if (typeof type === 'object') {
        if (type.fields) {
          avro.set(type.name, type.fields)
          for (const field of type.fields) collect(field.type)
        }
        if (type.items) collect(type.items)
      }
    }
    collect(JSON.parse(readFileSync(join(schema, 'events.avsc'), 'utf8')) as Avro)
    const nameOf = (type: Avro): string => (typeof type === 'string' ? type : Array.isArray(type) ? '' : type.name)
    for (const [message, rows] of Object.entries(MESSAGES)) {
      const fields = avro.get(message)
      const type = proto.lookupType(`ai_factory.v1.${message}`)
      expect(fields?.map(({ name }) => name)).toEqual(rows.map(([, name]) => snake(name)))
      expect(type.fieldsArray.map(({ name }) => snake(name))).toEqual(rows.map(([, name]) => snake(name)))
      for (const [i, [number, name, kind, presence]] of rows.entries()) {
        const field = type.fields[snake(name)] ?? type.fields[name]
        expect({ name, number: field?.id, repeated: field?.repeated }).toEqual({ name, number, repeated: presence === 'repeated' })
        const scalar = kind === 'uint' ? /^uint/ : new RegExp(`^${kind}$`)
        expect(field?.type).toMatch(scalar)
        const written = fields?.[i]?.type as Avro
        const base = Array.isArray(written) ? written[1] : typeof written === 'object' && written.type === 'array' ? written.items : written
        expect(Array.isArray(written)).toBe(presence === 'optional')
        expect(nameOf(base as Avro)).toMatch(kind === 'uint' ? /^(int|long)$/ : kind === 'bool' ? /^boolean$/ : scalar)
      }
    }
  })

  test('where it was made it is neither written nor read, merged with others or not', () => {
    fc.assert(
      fc.property(anyEvent, anyEvent, (first, second) => {
        const [own, other] = [eventsBatch([first]), eventsBatch([second])]
        const merged = Batch.concat([own, received(other)]).withMetadata({ epoch: '1' })
        expect(decodeEvents(merged)[0]).toBe(first)
        expect(plain(decodeEvents(merged))).toEqual(plain([first, second]))
        expect(bytesOf(merged)).toEqual(Buffer.concat([bytesOf(own), bytesOf(other)]))
      }),
      { numRuns: 20 },
    )
  })

  test('numbers 20 to 40 of the event are free for what is to come', () => {
    expect(Math.max(...MESSAGES.CorrelatedEvent.map(([number]) => number))).toBeLessThan(20)
  })
})

const event = (change: Partial<CorrelatedEvent> = {}): CorrelatedEvent =>
  bareEvent({
    id: Uint8Array.from({ length: 16 }, (_, i) => i),
    gpu: {
      count: 2,
      ids: ['GPU-a', 'GPU-b'],
      utilization: 0.5,
      energyJoules: 6_000,
      lateEnergyJoules: 10,
      coverage: 0.9,
      carriedSeconds: 1,
    },
    serving: {
      engines: 1,
      queueDepth: 3,
      latencies: [
        { name: 'time_to_first_token', count: 3, sum: 0.6, bounds: [0.1, 1], bucketCounts: [1, 2, 0], late: false },
        { name: 'time_to_first_token', count: 1, sum: 0.1, bounds: [0.1, 1], bucketCounts: [1, 0, 0], late: true },
      ],
      coverage: 1,
      carriedSeconds: 0,
    },
    tokens: [
      { source: 'engine_metrics', input: 100, output: 50, cached: 20, lateOutput: 5 },
      { source: 'client_spans', input: 90, output: 45 },
    ],
    requests: [{ source: 'engine_metrics', finishReason: 'stop', count: 3, lateCount: 0 }],
    spans: { count: 4, errors: 1, lateCount: 0, lateErrors: 0 },
    exemplars: [{ traceId: new Uint8Array(16).fill(7), spanId: new Uint8Array(8).fill(1), reason: 'slowest', durationSeconds: 2 }],
    ...change,
  })

/** Decodes rendered bytes by field number: what any OTLP reader sees. */
interface Point {
  metric: string
  unit: string
  kind: number
  value: number
  attributes: Record<string, unknown>
  start: number
  time: number
}
const anyValue = (fields: Fields): unknown => {
  fields.next()
  if (fields.number === 1) return fields.string()
  if (fields.number === 2) return fields.uint() === 1
  return fields.number === 4 ? fields.double() : undefined
}
const pair = (fields: Fields): [string, unknown] => {
  let key = ''
  let value: unknown
  while (fields.next()) {
    if (fields.number === 1) key = fields.string()
    else value = anyValue(new Fields(fields.view()))
  }
  return [key, value]
}
const pointsOf = (batch: Batch | undefined): Point[] => {
  const points: Point[] = []
  for (const group of batch?.groups ?? []) {
    const scopes = new Fields(group.rest)
    while (scopes.next()) {
      const metrics = new Fields(scopes.view())
      while (metrics.next()) {
        if (metrics.number !== 2) continue
        const metric = new Fields(metrics.view())
        let name = ''
        let unit = ''
        while (metric.next()) {
          if (metric.number === 1) name = metric.string()
          else if (metric.number === 3) unit = metric.string()
          else {
            const kind = metric.number
            const data = new Fields(metric.view())
            while (data.next()) {
              if (data.number !== 1) continue
              const point: Point = { metric: name, unit, kind, value: Number.NaN, attributes: {}, start: 0, time: 0 }
              const fields = new Fields(data.view())
              while (fields.next()) {
                if (fields.number === 2) point.start = fields.millis()
                else if (fields.number === 3) point.time = fields.millis()
                else if (fields.number === 4) point.value = kind === 9 ? Number(fields.fixed64()) : fields.double()
                else if (fields.number === (kind === 9 ? 9 : 7)) {
                  const [key, value] = pair(new Fields(fields.view()))
                  point.attributes[key] = value
                }
              }
              points.push(point)
            }
          }
        }
      }
    }
  }
  return points
}

describe('rendering', () => {
  const [metrics, logs] = renderEvents(eventsBatch([event()]))
  const points = pointsOf(metrics)
  const find = (metric: string, attributes: Record<string, unknown> = {}) =>
    points.filter(
      point =>
        point.metric === metric &&
        Object.entries({ 'ai_factory.late': undefined, ...attributes }).every(([key, value]) => point.attributes[key] === value),
    )

  test('metrics have UCUM units, the window as start and time, and the workload on every point', () => {
    expect(points.length).toBe(metrics?.items)
    for (const point of points) {
      expect(point.start).toBe(1_700_000_000_000)
      expect(point.time).toBe(1_700_000_010_000)
      expect(point.attributes['ai_factory.workload.id']).toBe('prod/chat/llama')
    }
    expect(find('ai_factory.gpu.energy')).toMatchObject([{ unit: 'J', value: 6_000, kind: 7 }])
    expect(find('ai_factory.gpu.utilization')).toMatchObject([{ unit: '1', value: 0.5, kind: 5 }])
    expect(find('ai_factory.engine.time_to_first_token')).toMatchObject([{ unit: 's', value: 3, kind: 9 }])
  })

  test('late amounts are points of their own, so that sums over all points are what was measured', () => {
    expect(find('ai_factory.gpu.energy', { 'ai_factory.late': true })).toMatchObject([{ value: 10 }])
    expect(find('ai_factory.tokens', { 'gen_ai.token.type': 'output', 'ai_factory.late': true })).toMatchObject([{ value: 5 }])
    expect(find('ai_factory.engine.time_to_first_token', { 'ai_factory.late': true })).toMatchObject([{ value: 1 }])
  })

  test('device time, money and tenants: one series a bucket, part and tenant, in their currency', () => {
    const [written] = renderEvents(
      eventsBatch([
        event({
          gpuTime: [
            { model: 'H100', bucket: 'idle_held', seconds: 4, cost: 0.25 },
            { model: 'H100', bucket: 'productive', seconds: 6, cost: 0.5 },
          ],
          tenants: [{ tenant: 'a', source: 'client_spans', requests: 1, input: 2, output: 3, cached: 0, cost: 0.5, energyJoules: 7 }],
          efficiency: {
            currency: 'EUR',
            priceSource: 'list',
            cost: 0.75,
            activeCost: 0.5,
            idleCost: 0.25,
            unknownCost: 0,
            unpricedSeconds: 0,
            inputCost: 0.125,
            outputCost: 0.375,
            costSplit: 'compute_time',
            joulesPerToken: 40,
          },
        }),
      ]),
    )
    const said = pointsOf(written).map(({ metric, unit, kind, value, attributes }) => {
      const { 'ai_factory.workload.id': _, ...others } = attributes
      return { metric, unit, kind, value, labels: Object.values(others).sort().join() }
    })
    const of = (metric: string) => said.filter(point => point.metric === metric)
    const [SUM, GAUGE] = [7, 5]
    const money = (metric: string, value: number, labels: string) => ({ metric, unit: '{currency}', kind: SUM, value, labels })
    expect(of('ai_factory.gpu.time')).toEqual([
      { metric: 'ai_factory.gpu.time', unit: 's', kind: SUM, value: 4, labels: 'H100,idle_held' },
      { metric: 'ai_factory.gpu.time', unit: 's', kind: SUM, value: 6, labels: 'H100,productive' },
    ])
    expect(of('ai_factory.gpu.time.cost')).toEqual([
      money('ai_factory.gpu.time.cost', 0.25, 'EUR,H100,idle_held'),
      money('ai_factory.gpu.time.cost', 0.5, 'EUR,H100,productive'),
    ])
    expect(of('ai_factory.cost')).toEqual([
      money('ai_factory.cost', 0.5, 'EUR,active'),
      money('ai_factory.cost', 0.25, 'EUR,idle'),
      money('ai_factory.cost', 0, 'EUR,unknown'),
    ])
    expect(of('ai_factory.cost.tokens')).toEqual([
      money('ai_factory.cost.tokens', 0.125, 'EUR,compute_time,input'),
      money('ai_factory.cost.tokens', 0.375, 'EUR,compute_time,output'),
    ])
    expect(of('ai_factory.tenant.cost')).toEqual([money('ai_factory.tenant.cost', 0.5, 'EUR,a,active,client_spans')])
    expect(of('ai_factory.tenant.energy')).toMatchObject([{ unit: 'J', value: 7, labels: 'a,client_spans' }])
    expect(of('ai_factory.energy_per_token')).toMatchObject([{ unit: 'J/{token}', kind: GAUGE, value: 40 }])
    expect(of('ai_factory.gpu.time.unpriced')).toEqual([])
  })

  test('objectives: judged requests by verdict and by what was missed; attainment and burn rate of the window', () => {
    const [written] = renderEvents(
      eventsBatch([
        event({
          slo: [
            {
              source: 'engine_spans',
              target: 0.9,
              eligible: 10,
              good: 7,
              goodOutput: 100,
              errors: 1,
              missedTimeToFirstToken: 2,
              missedTimePerOutputToken: 0,
              missedDuration: 1,
            },
          ],
        }),
      ]),
    )
    const of = (metric: string) => pointsOf(written).filter(point => point.metric === metric)
    expect(of('ai_factory.slo.requests').map(({ value, attributes }) => [attributes['ai_factory.slo.good'], value])).toEqual([
      [true, 7],
      [false, 3],
    ])
    expect(of('ai_factory.slo.misses').map(({ value, attributes }) => [attributes['ai_factory.slo.objective'], value])).toEqual([
      ['error', 1],
      ['time_to_first_token', 2],
      ['time_per_output_token', 0],
      ['duration', 1],
    ])
    expect(of('ai_factory.slo.attainment')[0]?.value).toBeCloseTo(0.7, 12)
    expect(of('ai_factory.slo.burn_rate')[0]?.value).toBeCloseTo(3, 12)
    expect(of('ai_factory.slo.tokens.good')).toMatchObject([{ value: 100, attributes: { 'ai_factory.source': 'engine_spans' } }])
  })

  test('rule 12: only the headline source counts under the plain name, the others stand beside with their source', () => {
    const tokens = points.filter(({ metric }) => metric === 'ai_factory.tokens')
    expect(tokens.reduce((sum, { value }) => sum + value, 0)).toBe(155)
    expect(find('ai_factory.tokens.by_source', { 'gen_ai.token.type': 'input' })).toMatchObject([
      { value: 90, attributes: { 'ai_factory.source': 'client_spans' } },
    ])
  })

  test('what is unknown is absent, never zero', () => {
    const [bare] = renderEvents(eventsBatch([event({ gpu: { count: 1, ids: [], coverage: 0, carriedSeconds: 0 } })]))
    const seen = new Set(pointsOf(bare).map(({ metric }) => metric))
    expect(seen.has('ai_factory.gpu.utilization')).toBe(false)
    expect(seen.has('ai_factory.gpu.count')).toBe(true)
  })

  test('one log record an event, with its name, its id and the exemplar traces', () => {
    expect(logs?.items).toBe(1)
    const text = Buffer.concat([...(logs?.slices ?? [])]).toString('latin1')
    expect(text).toContain('ai_factory.workload.window')
    expect(text).toContain('000102030405060708090a0b0c0d0e0f')
    expect(text).toContain('07'.repeat(16))
  })

  test('a latency named like a member of every object is rendered under its own name', () => {
    const latency: Latency = { name: 'valueOf' as LatencyName, count: 1, sum: 1, bounds: [], bucketCounts: [1], late: false }
    const [metrics] = renderEvents(eventsBatch([event({ serving: { engines: 1, latencies: [latency], coverage: 1, carriedSeconds: 0 } })]))
    expect(Buffer.concat([...(metrics?.slices ?? [])]).toString('latin1')).toContain('ai_factory.engine.valueOf')
  })

  test('the same event gives the same bytes, rendered where it was made or read from bytes', () => {
    fc.assert(
      fc.property(fc.array(anyEvent, { maxLength: 3 }), events => {
        const batch = eventsBatch(events.map(any => ({ ...any, windowStartMs: 1_700_000_000_000 })))
        expect(renderEvents(batch).map(bytesOf)).toEqual(renderEvents(received(batch)).map(bytesOf))
      }),
    )
  })

  test('protobufjs reads as many points and records as the batch says it has, each of its window and its workload', () => {
    const keyed = (attributes: Plain[] = []) => new Map(attributes.map(({ key, value }: Plain) => [key, value.stringValue]))
    fc.assert(
      fc.property(fc.array(anyEvent, { maxLength: 3 }), events => {
        const batch = eventsBatch(events.map(any => ({ ...any, windowStartMs: 1_700_000_000_000 })))
        const [logs, metrics] = renderEvents(batch).reverse()
        const records: Plain[] = logs ? decode(requestType('logs'), bytesOf(logs)).resourceLogs : []
        expect(records.map(({ resource }) => keyed(resource.attributes).get(WORKLOAD_ID))).toEqual(events.map(it => it.workloadId))
        expect(records.flatMap(({ scopeLogs }) => scopeLogs[0].logRecords)).toHaveLength(logs?.items ?? 0)
        const groups: Plain[] = metrics ? decode(requestType('metrics'), bytesOf(metrics)).resourceMetrics : []
        let points = 0
        for (const { resource, scopeMetrics } of groups) {
          const workload = keyed(resource.attributes).get(WORKLOAD_ID)
          for (const { gauge, sum, histogram } of scopeMetrics[0].metrics)
            for (const { attributes, startTimeUnixNano } of (gauge ?? sum ?? histogram).dataPoints) {
              expect([keyed(attributes).get(WORKLOAD_ID), startTimeUnixNano]).toEqual([workload, '1700000000000000000'])
              points++
            }
        }
        expect(points).toBe(metrics?.items ?? 0)
      }),
    )
  })
})
