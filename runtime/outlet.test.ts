import type { Batch, Signal } from '../proto/batch.js'
import { eventsBatch } from '../proto/events/codec.js'
import { bareEvent } from '../proto/testing/events.js'
import { MetricCursor, TEMPORALITY } from '../proto/views/metrics.js'
import { NumberPointView } from '../proto/views/points.js'
import { RetryableError } from './errors.js'
import { outlet } from './outlet.js'
import { Recorder } from './testing/recorder.js'

const OTLP: readonly Signal[] = ['traces', 'metrics', 'logs']
const nobody = () => async () => {}

const spans = (window: number, count: number): Batch =>
  eventsBatch(
    [
      bareEvent({
        id: new Uint8Array(16).fill(window),
        workloadId: 'chat',
        workloadSource: '',
        workloadConfidence: '',
        windowStartMs: window * 1000,
        windowLengthMs: 1000,
        headlineSource: '',
        spans: { count, errors: 0, lateCount: 0, lateErrors: 0 },
      }),
    ],
    { epoch: '1' },
  )

/** Temporality and first value of each batch of metrics. */
const said = ({ batches }: Recorder): (readonly [number, number])[] =>
  batches
    .filter(({ signal }) => signal === 'metrics')
    .map(batch => {
      const metrics = new MetricCursor().over(batch.groups[0]!.rest)
      metrics.next()
      metrics.nextPoint()
      const { metric, point } = metrics
      return [metric.temporality, point instanceof NumberPointView ? point.value : Number.NaN] as const
    })

describe('correlated events at the end of a pipeline', () => {
  test('are deltas for one exporter and running totals for another, each rendered for itself', async () => {
    const [deltas, totals] = [new Recorder(), new Recorder()]
    const consume = outlet(
      [
        { signals: OTLP, consume: deltas.consume },
        { signals: OTLP, consume: totals.consume, temporality: 'cumulative' },
      ],
      nobody,
    )
    await consume(spans(1, 5))
    await consume(spans(2, 7))
    expect(said(deltas)).toEqual([
      [TEMPORALITY.delta, 5],
      [TEMPORALITY.delta, 7],
    ])
    expect(said(totals)).toEqual([
      [TEMPORALITY.cumulative, 5],
      [TEMPORALITY.cumulative, 12],
    ])
    expect(totals.batches.map(({ signal }) => signal)).toEqual(['metrics', 'logs', 'metrics', 'logs'])
  })

  test('are summed once, however often an exporter asks for them again, and whatever rebuilt the batch in between', async () => {
    const totals = new Recorder()
    const consume = outlet([{ signals: OTLP, consume: totals.consume, temporality: 'cumulative' }], nobody)
    totals.answer = () => new RetryableError('busy', 'queue_full')
    const first = spans(1, 5)
    await expect(consume(first)).rejects.toThrow('busy')
    await expect(consume(first)).rejects.toThrow('busy')
    totals.answer = () => undefined
    await consume(spans(1, 5))
    await consume(spans(2, 7))
    expect(said(totals).map(([, value]) => value)).toEqual([5, 5, 5, 12])
  })

  test('are dropped once for each signal that no exporter takes, whatever temporality the others want', async () => {
    const dropped: Signal[] = []
    const logs = new Recorder()
    const consume = outlet([{ signals: ['logs'], consume: logs.consume, temporality: 'cumulative' }], signal => async () => {
      dropped.push(signal)
    })
    await consume(spans(1, 5))
    expect(dropped).toEqual(['metrics'])
    expect(logs.batches.map(({ signal }) => signal)).toEqual(['logs'])
  })
})
