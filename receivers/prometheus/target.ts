/** Discovered labels → a target: what is asked where and how often, and which labels its series get. */
import { parseDuration } from '../../config/options.js'
import { hashOf } from '../../proto/byte-table.js'
import type { JobOptions } from './options.js'
import { type Labels, relabel } from './relabel/relabel.js'
import type { Server } from './series/origin.js'

export interface Target {
  /** Labels of its series. */
  readonly labels: Labels
  readonly url: URL
  readonly server: Server
  /** Milliseconds. */
  readonly interval: number
  readonly timeout: number
  /** Equal for targets that are scraped alike and whose series look alike. */
  readonly key: string
  /** Where in the interval it is scraped, 0 to 1. */
  readonly offset: number
}

/** The target cannot be scraped as its labels are. */
export class TargetError extends Error {
  override readonly name = 'TargetError'
}

const PARAMETER = '__param_'

/**
 * Source: prometheus/prometheus scrape/target.go, PopulateLabels. Undefined: dropped by `relabel_configs`. Throws TargetError.
 */
export const targetOf = (discovered: Labels, job: JobOptions): Target | undefined => {
  const labels: Labels = new Map(Array.from(discovered).filter(([, value]) => value !== ''))
  const preset = (name: string, value: string): void => {
    if (!labels.has(name)) labels.set(name, value)
  }
  preset('job', job.job_name)
  preset('__scrape_interval__', printDuration(job.scrape_interval))
  preset('__scrape_timeout__', printDuration(job.scrape_timeout))
  preset('__metrics_path__', job.metrics_path)
  preset('__scheme__', job.scheme)
  for (const [name, [value]] of Object.entries(job.params)) if (value) labels.set(PARAMETER + name, value)
  if (!relabel(labels, job.relabel_configs)) return undefined

  const address = labels.get('__address__') ?? ''
  if (address === '') throw new TargetError('relabelling left a target without __address__')
  preset('instance', address)
  const url = urlOf(labels, address, job)
  const interval = durationOf(labels, '__scrape_interval__')
  const timeout = durationOf(labels, '__scrape_timeout__')
  if (timeout > interval) throw new TargetError(`the target ${address} has a timeout longer than its interval`)
  const visible: Labels = new Map(Array.from(labels).filter(([name]) => !name.startsWith('__')))
  const key = JSON.stringify([Array.from(visible).sort(), url.href, interval, timeout])
  const bytes = Buffer.from(key)
  return {
    labels: visible,
    url,
    server: {
      address: url.hostname.replace(/^\[|\]$/g, ''),
      port: url.port || (url.protocol === 'https:' ? '443' : '80'),
      scheme: url.protocol.slice(0, -1),
    },
    interval,
    timeout,
    key,
    offset: (hashOf(bytes, 0, bytes.length, 0x811c9dc5) >>> 0) / 2 ** 32,
  }
}

const urlOf = (labels: Labels, address: string, job: JobOptions): URL => {
  const scheme = labels.get('__scheme__')
  if (scheme !== 'http' && scheme !== 'https')
    throw new TargetError(`the target ${address} has the scheme ${JSON.stringify(scheme ?? '')}; expected http or https`)
  if (/[/\s?#@]/.test(address) || !URL.canParse(`${scheme}://${address}`))
    throw new TargetError(`${JSON.stringify(address)} is no target; expected host:port without scheme and path`)
  const url = new URL(`${scheme}://${address}`)
  const [path = '/', query = ''] = (labels.get('__metrics_path__') ?? '/').split('?', 2)
  url.pathname = path
  url.search = query
  for (const [name, values] of Object.entries(job.params)) for (const value of values) url.searchParams.append(name, value)
  for (const [name, value] of labels) {
    if (!name.startsWith(PARAMETER)) continue
    const parameter = name.slice(PARAMETER.length)
    const [, ...others] = url.searchParams.getAll(parameter)
    url.searchParams.delete(parameter)
    for (const each of [value, ...others]) url.searchParams.append(parameter, each)
  }
  return url
}

const durationOf = (labels: Labels, name: string): number => {
  const text = labels.get(name) ?? ''
  const value = parseDuration(text)
  if (value === undefined || value <= 0)
    throw new TargetError(`relabelling set ${name} to ${JSON.stringify(text)}; expected a duration above 0 such as "15s"`)
  return value
}

/** As Prometheus writes the labels `__scrape_interval__` and `__scrape_timeout__`: `1m30s`, `500ms`. */
const printDuration = (milliseconds: number): string => {
  let rest = milliseconds
  let text = ''
  for (const [unit, size] of [
    ['h', 3_600_000],
    ['m', 60_000],
    ['s', 1000],
  ] as const) {
    const count = Math.floor(rest / size)
    if (count > 0) text += `${count}${unit}`
    rest -= count * size
  }
  return rest > 0 || text === '' ? `${text}${rest}ms` : text
}
