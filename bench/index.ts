/**
 * `npm run bench [-- --json] [-- --only TEXT] [-- --rounds N] [-- --peer gateway] [-- --node='--cpu-prof']`: the gateway and, where Go is present, the real Collector, on the same yaml in turns.
 * Prints CPU-µs an item, delivered items a second, the sender's p50 and p99, peak memory, lost and duplicate items, output size.
 */
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { freePort } from '../simulator/gateway.js'
import { helper } from './helper.js'
import type { FillOptions } from './kafka.js'
import type { LoadResult } from './load.js'
import { ownMetrics, sumOf } from './own-metrics.js'
import { printTable, type Row, summarise } from './report.js'
import { type Scenario, scenarios } from './scenarios.js'
import type { SinkCounts } from './sink.js'
import { missingCollector, type Peer, Subject } from './subject.js'

const here = dirname(fileURLToPath(import.meta.url))
const DRAIN_TIMEOUT_MS = 60_000

const { values } = parseArgs({
  options: {
    json: { type: 'boolean' },
    only: { type: 'string' },
    rounds: { type: 'string', default: '1' },
    peer: { type: 'string' },
    node: { type: 'string' },
  },
})

const sleep = (ms: number) => new Promise(resolve => setTimeout(resolve, ms))

const brokers = process.env.KAFKA_BROKERS ?? ''
const topicOf = (peer: Peer): string => `bench-${peer}-${Date.now()}`

/** From a topic that is full: from a fifth of it to its end, so that nothing of the start counts. */
const drain = async (scenario: Scenario, options: Omit<FillOptions, 'topic'>, peer: Peer): Promise<Row> => {
  const topic = topicOf(peer)
  const filler = helper('kafka.js', [brokers])
  filler.ask({ ...options, topic })
  const acknowledged = await filler.next<number[]>('written')
  const total = acknowledged.reduce((sum, times) => sum + times, 0) * options.spans
  const sink = helper('sink.js')
  const send = await sink.next<number>('port')
  const ports = { receive: 0, send, metrics: await freePort(), topic }
  // The Collector listens nowhere here: whether it runs is seen at the sink.
  const subject = await Subject.start(peer, scenario.yaml(ports, peer), peer === 'gateway' ? ports.metrics : send)
  const reached = async (spans: number) => {
    const deadline = performance.now() + DRAIN_TIMEOUT_MS
    for (;;) {
      sink.ask('counts')
      const counts = await sink.next<SinkCounts>('counts')
      if (counts.spans >= spans) return { counts, at: performance.now(), cpu: subject.usage().cpu }
      if (performance.now() > deadline) throw new Error(`${peer}: ${counts.spans} of ${total} spans after ${DRAIN_TIMEOUT_MS / 1000} s`)
      await sleep(50)
    }
  }
  try {
    const idle = subject.usage().resident
    const from = await reached(total / 5)
    const to = await reached(total)
    await sleep(scenario.settleMillis ?? 700)
    const { counts: after } = await reached(total)
    return summarise({
      scenario: scenario.name,
      peer,
      result: { acknowledged, refused: {}, retryable: 0, p50: Number.NaN, p99: Number.NaN },
      after,
      spans: options.spans,
      delivered: to.counts.spans - from.counts.spans,
      seconds: (to.at - from.at) / 1000,
      cpu: to.cpu - from.cpu,
      peak: subject.usage().peak,
      limitMiB: undefined,
      idle,
      readyAfter: subject.readyAfter,
      bytes: after.bytes,
      notes: {},
    })
  } finally {
    await subject.stop()
    filler.kill()
    sink.kill()
  }
}

const measure = async (scenario: Scenario, peer: Peer): Promise<Row> => {
  const { load } = scenario
  if (load.script === 'kafka.js') return drain(scenario, load.options, peer)
  const topic = topicOf(peer)
  const sink = scenario.toKafka ? helper('kafka.js', [brokers, topic]) : helper('sink.js', [String(scenario.sinkMessagesPerSecond ?? '')])
  const send = await sink.next<number>('port')
  const ports = { receive: await freePort(), send, metrics: await freePort(), topic }
  const readyPort = scenario.own ? ports.metrics : ports.receive
  const subject = await Subject.start(peer, scenario.yaml(ports, peer), readyPort, [
    ...(scenario.watchPauses ? ['--import', join(here, 'pause.js')] : []),
    ...(values.node?.split(' ') ?? []),
  ])
  const loader = helper(load.script)
  const counts = async () => {
    sink.ask('counts')
    return sink.next<SinkCounts>('counts')
  }
  const itemsOf = (it: SinkCounts) => (scenario.item === 'series' ? it.points : it.spans)
  try {
    await sleep(500)
    const idle = subject.usage().resident
    loader.ask({ ...load.options, port: ports.receive })
    await loader.next<boolean>('warm')
    if (scenario.watchPauses) await subject.longestPause()
    const [before, cpuBefore] = [await counts(), subject.usage().cpu]
    const from = performance.now()
    const result = await loader.next<LoadResult>('result')
    let after = await counts()
    const [cpuAfter, peak] = [subject.usage().cpu, subject.usage().peak]
    const seconds = (performance.now() - from) / 1000
    const delivered = itemsOf(after) - itemsOf(before)
    const own = scenario.own && (await ownMetrics(ports.metrics))
    const notes: Record<string, number> = {}
    for (const [name, metric] of Object.entries(scenario.own ?? {})) notes[name] = sumOf(own ?? [], metric)
    if (scenario.watchPauses) notes['longest pause ms'] = await subject.longestPause()
    if (scenario.load.script === 'factory-load.js') {
      notes.events = after.records - before.records
      notes['data points'] = after.points - before.points
    }
    for (let last = -1; after.spans !== last; after = await counts()) {
      last = after.spans
      await sleep(scenario.settleMillis ?? 700)
    }
    return summarise({
      scenario: scenario.name,
      peer,
      result,
      after,
      spans: load.script === 'targets.js' ? 1 : load.options.spans,
      delivered,
      seconds,
      cpu: cpuAfter - cpuBefore,
      peak,
      limitMiB: scenario.memoryLimitMiB,
      idle,
      readyAfter: subject.readyAfter,
      bytes: after.bytes,
      notes,
    })
  } finally {
    await subject.stop()
    loader.kill()
    sink.kill()
  }
}

const missing = missingCollector()
if (missing !== undefined) console.error(`No Collector to compare with: ${missing}.`)
const rows: Row[] = []
for (const scenario of scenarios.filter(it => !values.only || it.name.includes(values.only)))
  for (let round = 0; round < Number(values.rounds); round++)
    for (const peer of scenario.peers ?? (['gateway', 'collector'] as const)) {
      if ((peer === 'collector' && missing !== undefined) || (values.peer && values.peer !== peer)) continue
      const row = await measure(scenario, peer)
      rows.push(row)
      if (!values.json) printTable([row], rows.length === 1)
    }
if (values.json) console.log(JSON.stringify(rows, null, 2))
else printTable(rows, true, true)
