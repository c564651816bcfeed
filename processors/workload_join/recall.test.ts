import fc from 'fast-check'
import { Group } from '../../proto/batch.js'
import type { Plain } from '../../proto/testing/oracle.js'
import { Echo } from '../../proto/views/echo.js'
import { WireError } from '../../proto/wire.js'
import { Arena } from './arena.js'
import { type FoldTime, MetricFold } from './fold-metrics.js'
import { ResourceState, type Target, Workload } from './state.js'
import { batch, counter, gauge, histogram, type Values } from './testing/telemetry.js'
import { COLUMNS } from './track.js'

const T0 = 1_700_000_000_000
const HISTORY = 60_000

const labels = fc.record(
  {
    UUID: fc.constantFrom('GPU-1', 'GPU-2'),
    pod: fc.constantFrom('x', 'a-pod-with-a-name-that-is-longer-than-what-is-compared-byte-by-byte', ''),
    finished_reason: fc.constantFrom('stop', 'length'),
  },
  { requiredKeys: [] },
)
const KINDS: Record<string, (time: number, value: number | undefined, labels: Values) => Plain> = {
  DCGM_FI_DEV_GPU_UTIL: (time, value, of) => gauge('DCGM_FI_DEV_GPU_UTIL', time, value, of).gauge.dataPoints[0],
  DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION: (time, value, of) => counter('', time, value, of).sum.dataPoints[0],
  'vllm:request_success': (time, value, of) => counter('', time, value, of).sum.dataPoints[0],
  'vllm:e2e_request_latency_seconds': (time, value = 0, of) => histogram('', time, [1], [value, 1], value, of).histogram.dataPoints[0],
  somebody_elses: (time, value, of) => gauge('', time, value, of).gauge.dataPoints[0],
}
const DATA: Record<string, string> = {
  DCGM_FI_DEV_GPU_UTIL: 'gauge',
  somebody_elses: 'gauge',
  'vllm:e2e_request_latency_seconds': 'histogram',
}

/** One metric: a name, and for each of its points which series, its value (undefined: a staleness marker), seconds it is late, a label said twice. */
const metric = fc.tuple(
  fc.constantFrom(...Object.keys(KINDS)),
  fc.array(fc.tuple(fc.nat(3), fc.option(fc.nat(9), { nil: undefined }), fc.constantFrom(0, 0, 0, 7, 90), fc.boolean()), { maxLength: 4 }),
)
/** Scrapes, mostly alike; and what happens to the bytes of some. */
const scrapes = fc.array(
  fc.record({
    metrics: fc.option(fc.array(metric, { maxLength: 5 }), { freq: 2 }),
    pause: fc.constantFrom(10, 10, 10, 100),
    damaged: fc.option(fc.tuple(fc.nat(600), fc.nat(255)), { freq: 4 }),
    cut: fc.option(fc.nat(600), { freq: 6 }),
  }),
  { minLength: 1, maxLength: 8 },
)

const groupOf = (
  metrics: readonly (typeof metric extends fc.Arbitrary<infer M> ? M : never)[],
  series: readonly Values[],
  time: number,
) => {
  const items = metrics.map(([name, points]) => ({
    name,
    [DATA[name] ?? 'sum']: {
      aggregationTemporality: 2,
      dataPoints: points.map(([which, value, late, twice]) => {
        const point = KINDS[name]!(time - late * 1000, value, series[which]!)
        return twice ? { ...point, attributes: [...point.attributes, ...point.attributes] } : point
      }),
    },
  }))
  return batch('metrics', { resource: {}, items }).groups[0]!
}

/** A workload into which groups are folded; `plain`: nothing is found again by its place. */
class Scene {
  private readonly workload = new Workload('w', new Arena())
  private readonly resource = new ResourceState(new Map())
  private readonly fold = new MetricFold()

  constructor(private readonly plain: boolean) {
    if (plain) Object.defineProperty(this.resource, 'order', { get: () => [] })
  }

  take(group: Group, now: number): void {
    const oldest = now - HISTORY
    const at: FoldTime = {
      appendTime: now,
      latest: now + 1000,
      oldest,
      boundary: now - 20_000,
      limits: { maxGap: 30_000, history: HISTORY },
      room: true,
    }
    const deaf = this.plain ? jest.spyOn(Echo.prototype, 'heard', 'get').mockReturnValue(undefined) : undefined
    try {
      this.fold.fold(this.workload, this.resource, group, at)
    } catch (error) {
      expect(error).toBeInstanceOf(WireError)
    } finally {
      deaf?.mockRestore()
    }
    this.workload.forget(oldest, now - 30_000, 30_000)
    this.resource.forget(oldest)
  }

  /** All that the workload knows. */
  get knows() {
    const frames = ({ track }: Target) =>
      Array.from({ length: track.length - track.first }, (_, i) =>
        Array.from({ length: track.stride }, (_, c) => (c === 0 ? track.time(track.first + i) : track.value(track.first + i, c - COLUMNS))),
      )
    const booked = ({ counters }: Target) =>
      counters.map(({ key, counter: of }) => {
        const [grown, late] = [new Float64Array(of.width), new Float64Array(of.width)]
        of.advance(Number.POSITIVE_INFINITY, grown)
        of.takeLate(late)
        return [key, of.lastTime, grown, late]
      })
    const { devices, engines } = this.workload
    return {
      targets: [...devices, ...engines].map(target => [target.identity, frames(target), booked(target)]),
      series: this.resource.points.size,
      remembered: this.resource.points.bytes,
      last: this.workload.lastSample,
    }
  }
}

test('samples whose series is found again by its place, or by the metric before, are booked as if each were looked up', () => {
  fc.assert(
    fc.property(fc.array(labels, { minLength: 4, maxLength: 4 }), fc.array(metric, { maxLength: 5 }), scrapes, (series, usual, list) => {
      const [quick, plain] = [new Scene(false), new Scene(true)]
      let now = T0
      for (const { metrics, pause, damaged, cut } of list) {
        now += pause * 1000
        const { resource, rest } = groupOf(metrics ?? usual, series, now)
        const bytes = Buffer.from(cut === null ? rest : rest.subarray(0, cut))
        if (damaged && damaged[0] < bytes.length) bytes[damaged[0]] = damaged[1]
        const group = Group.of(resource, bytes)
        quick.take(group, now)
        plain.take(group, now)
      }
      expect(quick.knows).toEqual(plain.knows)
    }),
    { numRuns: 500 },
  )
})
