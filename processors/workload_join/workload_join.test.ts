import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parse } from 'yaml'
import { Batch } from '../../proto/batch.js'
import { SystemClock } from '../../runtime/clock.js'
import { PartialError, PermanentError, RetryableError } from '../../runtime/errors.js'
import { TokenMap } from '../../runtime/host.js'
import { harness } from '../../runtime/testing/harness.js'
import { openStreams, STREAMS, streamsSection } from '../../streams/index.js'
import component from './index.js'
import { eventsOf, spansOf } from './testing/table.js'
import { batch, counter, gauge, span } from './testing/telemetry.js'

const directory = mkdtempSync(join(tmpdir(), 'workload-join-'))
afterAll(() => rmSync(directory, { recursive: true }))

let runs = 0
/** A join on a stream on disk, with short windows on the real clock. */
const open = (options = '{}', streamOptions: Record<string, unknown> = {}, place = `run-${++runs}`) => {
  const clock = new SystemClock()
  const kit = harness('workload_join', { clock, host: new TokenMap() })
  const section = streamsSection.parse({ workloads: { directory: join(directory, place), partitions: 2, tick: '50ms', ...streamOptions } })
  const host = new TokenMap(kit.context.host).put(STREAMS, openStreams(section, kit.context))
  const given: Batch[] = []
  const answers: (() => Promise<void>)[] = []
  const next = async (out: Batch) => {
    const answer = answers.shift()
    if (answer) await answer()
    given.push(out)
  }
  const config = component.config.parse({
    window: '200ms',
    grace: '1s',
    max_gap: '1s',
    history: '4s',
    ...(parse(options) as Record<string, unknown>),
  })
  return { instance: component.create(config, { ...kit.upstream, host, next }), given, answers, kit }
}
const RESOURCE = { 'ai_factory.workload.id': 'prod/chat/llama' }
const until = async (met: () => boolean) => {
  for (let tries = 0; !met(); tries++) {
    if (tries === 400) throw new Error('it never came')
    await new Promise(resolve => setTimeout(resolve, 10))
  }
}
const samples = () => {
  const now = Date.now()
  return batch('metrics', {
    resource: RESOURCE,
    items: [
      gauge('DCGM_FI_DEV_GPU_UTIL', now, 50, { UUID: 'GPU-a' }),
      counter('DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION', now, now % 1e6, { UUID: 'GPU-a' }),
    ],
  })
}
const deadline = () => AbortSignal.timeout(5000)

describe('workload_join on a stream on disk', () => {
  test('the append is the acknowledgement; spans come out enriched and windows as events, all with the epoch of the task', async () => {
    const { instance, given } = open()
    await instance.start?.()
    const begin = Date.now()
    for (let i = 0; i < 8; i++) {
      await instance.consume(samples())
      await new Promise(resolve => setTimeout(resolve, 40))
    }
    await instance.consume(batch('traces', { resource: RESOURCE, items: [span({ start: begin + 100, end: begin + 200 })] }))
    await until(() => spansOf(given).length === 1 && eventsOf(given).some(({ spans }) => spans?.count === 1))
    await instance.stop?.(deadline())
    expect(spansOf(given)[0]?.attributes).toMatchObject({ 'ai_factory.join.outcome': 'matched', 'ai_factory.gpu.ids': ['GPU-a'] })
    expect(new Set(given.map(({ metadata }) => metadata.epoch)).size).toBe(1)
    expect(given.map(({ metadata }) => metadata.epoch)[0]).toMatch(/^\d+$/)
  })

  test('what was acknowledged and not passed on before a stop comes out after the next start', async () => {
    const first = open('{}', {}, 'restart')
    await first.instance.start?.()
    await first.instance.consume(samples())
    const end = Date.now()
    await first.instance.consume(batch('traces', { resource: RESOURCE, items: [span({ start: end - 10, end })] }))
    await first.instance.stop?.(deadline())
    expect(spansOf(first.given)).toEqual([])
    const second = open('{}', {}, 'restart')
    await second.instance.start?.()
    await until(() => spansOf(second.given).length === 1)
    await second.instance.stop?.(deadline())
  })

  test('a retryable refusal behind the join is tried again until it is taken; a permanent one is counted, as far as it goes, and given up', async () => {
    const { instance, given, answers, kit } = open('hold_spans: false')
    answers.push(
      () => Promise.reject(new RetryableError('busy', 'unavailable', 5)),
      () => Promise.reject(new RetryableError('busy', 'unavailable', 5)),
      () => Promise.resolve(),
      () => Promise.reject(new PermanentError('no', 'bad_data')),
    )
    await instance.start?.()
    const now = Date.now()
    await instance.consume(batch('traces', { resource: RESOURCE, items: [span({ start: now - 1, end: now })] }))
    await until(() => spansOf(given).length === 1)
    await instance.consume(batch('traces', { resource: RESOURCE, items: [span({ start: now - 1, end: now })] }))
    await until(() => kit.meter.sum('ai_factory_gateway_join_rejected_total') === 1)
    answers.push(() => Promise.reject(new PartialError('two are too large', 'too_large', 2)))
    const three = [1, 2, 3].map(back => span({ start: now - back - 1, end: now - back }))
    await instance.consume(batch('traces', { resource: RESOURCE, items: three }))
    await until(() => kit.meter.sum('ai_factory_gateway_join_rejected_total', { reason: 'too_large' }) > 0)
    expect(kit.meter.sum('ai_factory_gateway_join_rejected_total', { reason: 'too_large' })).toBe(2)
    await instance.stop?.(deadline())
  })

  test('rule 11: a copy of a request is acknowledged, counted and goes nowhere', async () => {
    const { instance, given, kit } = open('hold_spans: false')
    await instance.start?.()
    const now = Date.now()
    const request = batch('traces', { resource: RESOURCE, items: [span({ start: now - 1, end: now })] })
    await instance.consume(request)
    await instance.consume(Batch.of('traces', request.slices, 1))
    await until(() => kit.meter.sum('ai_factory_gateway_join_items_total', { outcome: 'duplicate' }) === 1)
    await instance.stop?.(deadline())
    expect(spansOf(given)).toHaveLength(1)
  })

  test('rule 24: while the stream is not running senders are told to retry', async () => {
    const { instance } = open()
    await expect(instance.consume(samples())).rejects.toMatchObject({ name: 'RetryableError', reason: 'stopped' })
  })

  test('rule 2: items above 16 MiB are refused for good and counted, the rest of the request is taken', async () => {
    const { instance, given, kit } = open('hold_spans: false')
    await instance.start?.()
    const now = Date.now()
    const items = [0, 17 << 20, 1, 17 << 20, 2].map(bytes => span({ start: now - 1, end: now, attributes: { text: 'x'.repeat(bytes) } }))
    const request = batch('traces', { resource: RESOURCE, items })
    await expect(instance.consume(request)).rejects.toMatchObject({
      name: 'PartialError',
      reason: 'too_large',
      items: 2,
      message: expect.stringContaining('2 items that are larger than 16 MiB'),
    })
    await until(() => spansOf(given).length === 3)
    const [large] = items.slice(1, 2)
    await expect(instance.consume(batch('traces', { resource: RESOURCE, items: [large!] }))).rejects.toMatchObject({ items: 1 })
    expect(kit.meter.sum('ai_factory_gateway_dropped_items', { kind: 'processor', reason: 'too_large', signal: 'traces' })).toBe(3)
    expect(kit.meter.sum('ai_factory_gateway_stream_appended_items_total')).toBe(3)
    await instance.stop?.(deadline())
  })

  test('rule 24: after a bug that ended the reading the gateway is not ready and senders are told to retry; a new start mends it', async () => {
    const { instance, kit } = open('hold_spans: false')
    const counter = kit.meter.counter.bind(kit.meter)
    kit.meter.counter = (name, help, labels) => {
      if (labels?.outcome === 'duplicate') throw new TypeError('bug')
      return counter(name, help, labels)
    }
    kit.health.ready()
    await instance.start?.()
    const now = Date.now()
    const request = () => batch('traces', { resource: RESOURCE, items: [span({ start: now - 1, end: now })] })
    const same = request()
    await instance.consume(same)
    expect(kit.health.readySince).toBeDefined()
    await instance.consume(Batch.of('traces', same.slices, 1))
    await until(() => kit.health.readySince === undefined)
    expect(kit.health.problem).toContain('restart the gateway')
    await expect(instance.consume(request())).rejects.toMatchObject({ name: 'RetryableError', reason: 'not_read', after: 10_000 })
    await instance.stop?.(deadline())
    kit.meter.counter = counter
    await instance.start?.()
    expect(kit.health.readySince).toBeDefined()
    await instance.consume(request())
    await instance.stop?.(deadline())
  })

  test('a request whose resource cannot be read is refused for good', async () => {
    const { instance } = open()
    // A workload id whose value claims more bytes than there are.
    const key = Buffer.from('ai_factory.workload.id')
    const pair = Buffer.concat([Buffer.from([0x0a, key.length]), key, Buffer.from([0x12, 0x02, 0x0a, 0x7f])])
    const resource = Buffer.concat([Buffer.from([0x0a, pair.length]), pair])
    const body = Buffer.concat([Buffer.from([0x0a, resource.length]), resource, Buffer.from([0x12, 0x02, 0x12, 0x00])])
    const request = Buffer.concat([Buffer.from([0x0a, body.length]), body])
    await expect(instance.consume(Batch.of('traces', [request], 1))).rejects.toMatchObject({ name: 'PermanentError', reason: 'bad_data' })
  })

  test('a batch of events passes, for nothing is joined to it', async () => {
    const { instance, given } = open()
    const events = Batch.of('events', [], 0)
    await instance.consume(events)
    expect(given).toEqual([events])
  })

  test('rule 23: settings that cannot work together are refused with what to change', () => {
    expect(component.config.safeParse({ history: '1m' }).error?.issues[0]).toMatchObject({
      path: ['history'],
      message: expect.stringContaining('raise history or lower max_gap'),
    })
  })
})
