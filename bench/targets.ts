/** Scrape targets, a process of its own: one port, as many hosts of 127.0.0.0/8 as are asked for, each with a page of its own whose values move. */
import { createServer } from 'node:http'
import type { LoadResult } from './load.js'

export interface TargetsOptions {
  port: number
  targets: number
  series: number
  warmupSeconds: number
  seconds: number
}

const FIRST = 1
/** `127.1.x.y:port` of each target. */
export const addressesOf = (targets: number, port: number): string[] =>
  Array.from({ length: targets }, (_, i) => `127.1.${Math.floor(i / 250)}.${FIRST + (i % 250)}:${port}`)

const GAUGES = [
  'DCGM_FI_DEV_GPU_UTIL',
  'DCGM_FI_DEV_POWER_USAGE',
  'DCGM_FI_DEV_FB_USED',
  'DCGM_FI_DEV_SM_CLOCK',
  'DCGM_FI_PROF_GR_ENGINE_ACTIVE',
]
const COUNTERS = [
  'http_requests_total',
  'node_network_receive_bytes_total',
  'vllm:generation_tokens_total',
  'DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION',
]

/** Beginnings of the lines, to which only the value is added: family by family, as an exposition wants it. */
const linesOf = (host: string, series: number): string[] => {
  const families = [...GAUGES.map(name => [name, 'gauge'] as const), ...COUNTERS.map(name => [name, 'counter'] as const)]
  const each = Math.ceil(series / families.length)
  const lines: string[] = []
  let left = series
  for (const [name, type] of families) {
    lines.push(`# HELP ${name} What it counts, in a sentence.\n# TYPE ${name} ${type}\n`)
    for (let i = 0; i < Math.min(each, left); i++)
      lines.push(
        `${name}{gpu="${i % 8}",UUID="GPU-${host}-${i % 8}",device="nvidia${i % 8}",modelName="NVIDIA H100 80GB HBM3",Hostname="${host}",shard="${i}"} `,
      )
    left -= Math.min(each, left)
  }
  return lines
}

const page = (lines: readonly string[], at: number): string => {
  let text = ''
  for (const line of lines) text += line.startsWith('#') ? line : `${line}${at + (line.length % 10)}\n`
  return text
}

export const serveTargets = async (options: TargetsOptions, warm: () => void): Promise<LoadResult> => {
  const pages = new Map<string, string[]>()
  const server = createServer((request, response) => {
    const host = (request.socket.localAddress ?? '').replace('::ffff:', '')
    let lines = pages.get(host)
    if (!lines) pages.set(host, (lines = linesOf(host, options.series)))
    response.setHeader('content-type', 'text/plain; version=0.0.4')
    response.end(page(lines, Math.floor(performance.now())))
  })
  await new Promise<void>(resolve => server.listen(options.port, '0.0.0.0', resolve))
  await new Promise(resolve => setTimeout(resolve, options.warmupSeconds * 1000))
  warm()
  await new Promise(resolve => setTimeout(resolve, options.seconds * 1000))
  server.closeAllConnections()
  server.close()
  return { acknowledged: [], refused: {}, retryable: 0, p50: Number.NaN, p99: Number.NaN }
}

if (process.send && process.argv[1]?.endsWith('/targets.js')) {
  process.once('message', async (options: TargetsOptions) => {
    const result = await serveTargets(options, () => process.send?.({ warm: true }))
    process.send?.({ result }, () => process.disconnect?.())
  })
}
