/**
 * `npm run bench [-- --json] [-- --only TEXT] [-- --rounds N] [-- --peer gateway] [-- --node='--cpu-prof']`: the gateway and, where Go is present, the real Collector, on the same yaml in turns.
 * Prints CPU-µs an item, delivered items a second, the sender's p50 and p99, peak memory, lost and duplicate items, output size.
 */
import { fork } from 'node:child_process'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { freePort } from '../simulator/gateway.js'
import type { LoadResult } from './load.js'
import { ownMetrics, sumOf } from './own-metrics.js'
import { printTable, type Row, summarise } from './report.js'
import { type Scenario, scenarios } from './scenarios.js'
import type { SinkCounts } from './sink.js'
import { missingCollector, type Peer, Subject } from './subject.js'

const here = dirname(fileURLToPath(import.meta.url))
const OTHER_CORES = '1'

/** A helper process on the other cores, spoken to by messages. */
const helper = (script: string, args: string[] = []) => {
  const child = fork(join(here, script), args, {
    execPath: 'taskset',
    execArgv: ['-c', OTHER_CORES, process.execPath],
    serialization: 'advanced',
  })
  const waiting: ((message: Record<string, unknown>) => void)[] = []
  const arrived: Record<string, unknown>[] = []
  child.on('message', message => {
    const next = waiting.shift()
    if (next) next(message as Record<string, unknown>)
    else arrived.push(message as Record<string, unknown>)
  })
  return {
    ask: (message: unknown) => child.send(message as object),
    next: async <T>(key: string): Promise<T> => {
      const message = arrived.shift() ?? (await new Promise<Record<string, unknown>>(resolve => waiting.push(resolve)))
      if (!(key in message)) throw new Error(`expected ${key}, got ${Object.keys(message)}`)
      return message[key] as T
    },
    kill: () => child.kill('SIGKILL'),
  }
}

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

const measure = async (scenario: Scenario, peer: Peer): Promise<Row> => {
  const { load } = scenario
  const sink = helper('sink.js', [String(scenario.sinkMessagesPerSecond ?? '')])
  const send = await sink.next<number>('port')
  const ports = { receive: await freePort(), send, metrics: await freePort() }
  const readyPort = scenario.own ? ports.metrics : ports.receive
  const subject = await Subject.start(peer, scenario.yaml(ports), readyPort, [
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
