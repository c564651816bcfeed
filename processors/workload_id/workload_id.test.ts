import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { Batch, type Signal } from '../../proto/batch.js'
import { decode, encode, type Plain, requestType } from '../../proto/testing/oracle.js'
import { harness } from '../../runtime/testing/harness.js'
import workloadId from './index.js'

const value = (it: Plain): Plain =>
  typeof it === 'string' ? { stringValue: it } : typeof it === 'number' ? { intValue: it } : { arrayValue: { values: it.map(value) } }
const attributes = (values: Record<string, Plain>) => Object.entries(values).map(([key, it]) => ({ key, value: value(it) }))
const plain = (list: Plain[] = []): Record<string, Plain> =>
  Object.fromEntries(
    list.map(({ key, value: it }) => [
      key,
      it.stringValue ?? it.doubleValue ?? it.intValue ?? it.arrayValue?.values.map((each: Plain) => each.stringValue),
    ]),
  )

const batchOf = (signal: Signal, request: Plain, items: number) => Batch.of(signal, [encode(requestType(signal), request)], items)
const spans = (resource: Record<string, Plain>, ...list: { kind: number; attributes: Record<string, Plain> }[]) =>
  batchOf(
    'traces',
    {
      resourceSpans: [
        {
          resource: { attributes: attributes(resource) },
          scopeSpans: [
            {
              spans: list.map((span, i) => ({ spanId: Buffer.alloc(8, i + 1), kind: span.kind, attributes: attributes(span.attributes) })),
            },
          ],
        },
      ],
    },
    list.length,
  )
const gauges = (resource: Record<string, Plain>, metrics: Record<string, [labels: Record<string, Plain>, value: number][]>) =>
  batchOf(
    'metrics',
    {
      resourceMetrics: [
        {
          resource: { attributes: attributes(resource) },
          scopeMetrics: [
            {
              metrics: Object.entries(metrics).map(([name, points]) => ({
                name,
                gauge: {
                  dataPoints: points.map(([labels, asDouble]) => ({ attributes: attributes(labels), timeUnixNano: '5', asDouble })),
                },
              })),
            },
          ],
        },
      ],
    },
    Object.values(metrics).flat().length,
  )

const setup = (config: Plain = {}) => {
  const rig = harness('workload_id')
  const processor = workloadId.create(workloadId.config.parse(config), rig.upstream)
  const through = async (batch: Batch) => {
    await processor.consume(batch)
    return rig.out.batches.at(-1)!
  }
  /** Resource attributes of ours, and the labels of the points or spans in each group. */
  const groups = async (batch: Batch) => {
    const out = await through(batch)
    const request = decode(requestType(batch.signal), Buffer.concat(out.slices))
    const list: Plain[] = request.resourceSpans ?? request.resourceMetrics ?? []
    return list.map(group => ({ resource: plain(group.resource.attributes), group }))
  }
  return { ...rig, processor, through, groups }
}

const CLIENT = 3
const SERVER = 2
const CALL = { 'gen_ai.operation.name': 'chat', 'server.address': 'chat.inference.svc', 'server.port': 8000 }

describe('spans', () => {
  test('an engine span belongs to its resource; bytes around it stay', async () => {
    const batch = spans({ 'k8s.namespace.name': 'inference', 'k8s.deployment.name': 'chat' }, { kind: SERVER, attributes: { x: 1 } })
    const { through, groups } = setup({ cluster: 'eu' })
    const [group] = await groups(batch)
    expect(group?.resource).toMatchObject({
      'k8s.deployment.name': 'chat',
      'ai_factory.workload.id': 'eu/inference/chat',
      'ai_factory.workload.source': 'deployment',
      'ai_factory.workload.confidence': 'exact',
    })
    expect((await through(batch)).groups[0]?.rest).toEqual(batch.groups[0]?.rest)
  })
  test('a model call belongs to what it calls and keeps its caller; a database call belongs to its caller; a call to nowhere is no_target', async () => {
    const { groups, meter } = setup()
    const out = await groups(
      spans(
        { 'service.name': 'frontend' },
        { kind: CLIENT, attributes: CALL },
        { kind: CLIENT, attributes: { 'server.address': 'db', 'db.system': 'pg' } },
        { kind: CLIENT, attributes: { ...CALL, 'server.address': 'somewhere.example' } },
      ),
    )
    expect(out.map(({ resource }) => [resource['ai_factory.workload.id'], resource['ai_factory.caller.id']])).toEqual([
      ['default/inference/chat', 'svc/default/frontend'],
      ['svc/default/frontend', undefined],
      [undefined, 'svc/default/frontend'],
    ])
    expect(meter.sum('ai_factory_gateway_unresolved', { reason: 'no_target' })).toBe(1)
  })
  test('a batch of nobody is passed as the same object, and counted', async () => {
    const { through, meter } = setup()
    const batch = spans({}, { kind: SERVER, attributes: {} }, { kind: SERVER, attributes: {} })
    expect(await through(batch)).toBe(batch)
    expect(meter.sum('ai_factory_gateway_unresolved', { reason: 'no_workload' })).toBe(2)
  })
  test('a batch that says all of it already is passed as the same object, also when the memory of one before it is used again', async () => {
    const { through } = setup()
    const said = {
      'ai_factory.workload.id': 'prod/chat/llama',
      'ai_factory.workload.source': 'explicit',
      'ai_factory.workload.confidence': 'exact',
    }
    const first = spans(said, { kind: SERVER, attributes: {} })
    expect(await through(first)).toBe(first)
    for (const slice of first.slices) slice.fill(0xdd)
    const second = spans(said, { kind: SERVER, attributes: {} })
    expect(await through(second)).toBe(second)
  })
  test('an explicit attribute on a span decides for that span', async () => {
    const { groups } = setup()
    const out = await groups(
      spans({ 'service.name': 's' }, { kind: SERVER, attributes: { 'ai_factory.workload.id': 'mine' } }, { kind: SERVER, attributes: {} }),
    )
    expect(out.map(({ resource }) => resource['ai_factory.workload.id'])).toEqual(['mine', 'svc/default/s'])
  })
})

describe('data points', () => {
  const scraped = { 'service.name': 'dcgm', 'service.instance.id': 'node1:9400' }
  const points = (group: Plain) =>
    group.scopeMetrics.flatMap((scope: Plain) =>
      scope.metrics.flatMap((metric: Plain) => metric.gauge.dataPoints.map((point: Plain) => plain(point.attributes))),
    )

  test('one scrape is split by the pods it reports on; an idle GPU is unallocated on its host', async () => {
    const { groups } = setup()
    const out = await groups(
      gauges(scraped, {
        DCGM_FI_DEV_POWER_USAGE: [
          [{ UUID: 'GPU-1', Hostname: 'node1', namespace: 'a', pod: 'chat-7d9c5b6f4-x2x8p' }, 300],
          [{ UUID: 'GPU-2', Hostname: 'node1', namespace: 'a', pod: 'chat-7d9c5b6f4-x2x8q' }, 310],
          [{ UUID: 'GPU-3', Hostname: 'node1', pod: '' }, 70],
        ],
      }),
    )
    expect(out.map(({ resource, group }) => [resource['ai_factory.workload.id'], points(group).map(({ UUID }: Plain) => UUID)])).toEqual([
      ['default/a/chat', ['GPU-1', 'GPU-2']],
      ['unallocated/node1', ['GPU-3']],
    ])
  })
  test('MIG instances carry their slices as share; time-sliced pods share by what they use, else equally', async () => {
    const { groups } = setup()
    const mig = { UUID: 'GPU-1', Hostname: 'n', GPU_I_PROFILE: '2g.20gb', namespace: 'a' }
    const sliced = { UUID: 'GPU-2', Hostname: 'n', namespace: 'a' }
    const equal = { UUID: 'GPU-3', Hostname: 'n', namespace: 'a' }
    const out = await groups(
      gauges(scraped, {
        DCGM_FI_DEV_GPU_UTIL: [
          [{ ...sliced, pod: 's-0', vgpu: '0' }, 30],
          [{ ...sliced, pod: 't-0', vgpu: '1' }, 10],
        ],
        DCGM_FI_DEV_POWER_USAGE: [
          [{ ...mig, GPU_I_ID: '1', pod: 'm-0' }, 300],
          [{ ...sliced, pod: 's-0', vgpu: '0' }, 200],
          [{ ...sliced, pod: 't-0', vgpu: '1' }, 200],
          [{ ...equal, pod: 'e-0' }, 200],
          [{ ...equal, pod: 'f-0' }, 200],
        ],
      }),
    )
    const shares = Object.fromEntries(
      out.map(({ resource }) => [
        resource['ai_factory.workload.id'],
        [resource['ai_factory.gpu.share'], resource['ai_factory.gpu.share.basis']],
      ]),
    )
    expect(shares).toEqual({
      'default/a/m': [2 / 7, 'mig_slices'],
      'default/a/s': [0.75, 'process'],
      'default/a/t': [0.25, 'process'],
      'default/a/e': [0.5, 'equal'],
      'default/a/f': [0.5, 'equal'],
    })
  })
  test('at a hand-over the staleness marker of the old owner makes nobody share the device', async () => {
    const { through } = setup()
    const point = (pod: string, flags: number) => ({
      attributes: attributes({ UUID: 'GPU-1', Hostname: 'n', namespace: 'a', pod }),
      timeUnixNano: '5',
      asDouble: 1,
      flags,
    })
    const gauge = { dataPoints: [point('old-0', 1), point('new-0', 0)] }
    const metrics = [{ name: 'DCGM_FI_DEV_POWER_USAGE', gauge }]
    const out = await through(
      batchOf('metrics', { resourceMetrics: [{ resource: { attributes: attributes(scraped) }, scopeMetrics: [{ metrics }] }] }, 2),
    )
    const resources = decode(requestType('metrics'), Buffer.concat(out.slices)).resourceMetrics.map((group: Plain) =>
      plain(group.resource.attributes),
    )
    expect(resources.map((resource: Plain) => [resource['ai_factory.workload.id'], resource['ai_factory.gpu.share']])).toEqual([
      ['default/a/old', undefined],
      ['default/a/new', undefined],
    ])
  })
  test('a device that the tables give to two names the other owner beside the first', async () => {
    const { groups } = setup({
      workloads: [
        { id: 'a', match: { UUID: 'GPU-1' } },
        { id: 'b', match: { UUID: 'GPU-1' } },
      ],
    })
    const [only] = await groups(gauges(scraped, { DCGM_FI_DEV_POWER_USAGE: [[{ UUID: 'GPU-1', Hostname: 'n' }, 300]] }))
    expect(only?.resource).toMatchObject({
      'ai_factory.workload.id': 'a',
      'ai_factory.gpu.share': 0.5,
      'ai_factory.gpu.owners': ['b'],
      'ai_factory.workload.confidence': 'shared',
    })
  })
  test('every point comes out once, in groups that name their workload', async () => {
    const { through } = setup()
    const batch = gauges(scraped, {
      a: Array.from({ length: 40 }, (_, i) => [{ namespace: 'n', pod: `w${i % 7}-0`, i: `${i}` }, i] as [Record<string, Plain>, number]),
    })
    const out = await through(batch)
    const seen = decode(requestType('metrics'), Buffer.concat(out.slices)).resourceMetrics.flatMap((group: Plain) =>
      points(group).map(({ i }: Plain) => Number(i)),
    )
    expect(seen.sort((x: number, y: number) => x - y)).toEqual(Array.from({ length: 40 }, (_, i) => i))
    expect(out.items).toBe(40)
  })
  test('points recognised by those of the metric or the scrape before belong where they would if each were looked into', async () => {
    const labels = fc.record(
      {
        UUID: fc.constantFrom('GPU-1', 'GPU-2'),
        Hostname: fc.constant('n'),
        namespace: fc.constant('a'),
        pod: fc.constantFrom('x-7d9c5b6f4-x2x8p', 'y-0'),
        vgpu: fc.constant('1'),
        GPU_I_PROFILE: fc.constant('2g.20gb'),
        GPU_I_ID: fc.constantFrom('1', '2'),
      },
      { requiredKeys: ['UUID'] },
    )
    const metrics = fc.array(
      fc.tuple(
        fc.constantFrom('DCGM_FI_DEV_GPU_UTIL', 'DCGM_FI_DEV_POWER_USAGE', 'somebody_elses'),
        fc.array(fc.tuple(fc.nat(3), fc.boolean()), { maxLength: 4 }),
      ),
      { maxLength: 6 },
    )
    await fc.assert(
      fc.asyncProperty(fc.array(labels, { minLength: 4, maxLength: 4 }), fc.array(metrics, { maxLength: 3 }), async (series, scrapes) => {
        /** `told` makes every point say something that no other says, and more than is remembered. */
        const batch = (scrape: (typeof scrapes)[number], told: boolean) => {
          let next = 0
          const point = ([which, stale]: [number, boolean]) => ({
            attributes: attributes({ ...(told ? { told: String(next).padEnd(2000) } : {}), ...series[which] }),
            timeUnixNano: '5',
            asDouble: ++next,
            flags: stale ? 1 : 0,
          })
          const list = scrape.map(([name, points]) => ({ name, gauge: { dataPoints: points.map(point) } }))
          return batchOf(
            'metrics',
            { resourceMetrics: [{ resource: { attributes: attributes(scraped) }, scopeMetrics: [{ metrics: list }] }] },
            next,
          )
        }
        const rigs = [setup(), setup()]
        const belonging = async (scrape: (typeof scrapes)[number], told: boolean) =>
          (await rigs[Number(told)]!.groups(batch(scrape, told))).map(({ resource, group }) => [
            resource,
            group.scopeMetrics.flatMap((scope: Plain) =>
              (scope.metrics ?? []).flatMap(({ name, gauge }: Plain) =>
                (gauge.dataPoints ?? []).map(({ asDouble }: Plain) => `${name} ${asDouble}`),
              ),
            ),
          ])
        for (const scrape of scrapes) expect(await belonging(scrape, false)).toEqual(await belonging(scrape, true))
      }),
      { numRuns: 300 },
    )
  })
})

test('a table file is read again when it changes, and a bad one leaves the last good one in use', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'tables-'))
  const file = join(folder, 'tables.yaml')
  writeFileSync(file, 'workloads: [{ id: first, match: { service.name: s } }]\n')
  const { groups, processor, clock, log } = setup({ table_files: [file], refresh_interval: '1s' })
  await processor.start?.()
  const idNow = async () =>
    (await groups(spans({ 'service.name': 's' }, { kind: SERVER, attributes: {} })))[0]?.resource['ai_factory.workload.id']
  expect(await idNow()).toBe('first')
  writeFileSync(file, 'workloads: [{ id: second-one, match: { service.name: s } }]\n')
  await clock.advance(1000)
  expect(await idNow()).toBe('second-one')
  writeFileSync(file, 'workloads: [{ idd: third, match: { service.name: s } }]\n')
  await clock.advance(1000)
  expect(await idNow()).toBe('second-one')
  expect(JSON.stringify(log.lines.at(-1))).toContain('tables.yaml:1:')
  await processor.stop?.(AbortSignal.timeout(1000))
  rmSync(folder, { recursive: true })
})
