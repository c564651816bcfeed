/** `explain-workload FILE`: which rule finds the workload of each resource and series in a file, and why the rules before it do not. */
import { readFileSync } from 'node:fs'
import { check } from '../config/check.js'
import { ConfigError } from '../config/problem.js'
import { locate, type MapNode } from '../config/tree.js'
import { Explainer } from '../processors/workload_id/explain.js'
import { explanationText } from '../processors/workload_id/explanation-text.js'
import workloadId from '../processors/workload_id/index.js'
import { Batch } from '../proto/batch.js'
import { readExposition } from '../proto/exposition/read.js'
import { fromJson } from '../proto/json/index.js'
import type { OtlpSignal } from '../proto/services.js'
import { typeOf } from './registries.js'

const SIGNALS: Readonly<Record<string, OtlpSignal>> = {
  resourceSpans: 'traces',
  resourceMetrics: 'metrics',
  resourceLogs: 'logs',
}

/** What the file holds is not what it should be. */
class Unreadable extends Error {}

const options = (root: MapNode, warn: (text: string) => void) => {
  const { node: section } = locate(root, ['processors'])
  const [id, ...others] = section?.kind === 'map' ? [...section.entries.keys()].filter(key => typeOf(key) === workloadId.type) : []
  if (id === undefined) return workloadId.config.parse({})
  if (others.length > 0) warn(`explained by ${id}; the configuration also has ${others.join(', ')}\n`)
  const path = ['processors', id]
  return check(workloadId.config, locate(root, path).node!, path)
}

const read = (file: string): string => {
  try {
    return readFileSync(file === '-' ? 0 : file, 'utf8')
  } catch (error) {
    throw new Unreadable(`cannot be read: ${(error as Error).message}`)
  }
}

const addRequest = (explainer: Explainer, text: string): void => {
  const request: unknown = JSON.parse(text)
  const keys = typeof request === 'object' && request !== null ? Object.keys(request) : []
  const signal = keys.map(key => (Object.hasOwn(SIGNALS, key) ? SIGNALS[key] : undefined)).find(Boolean)
  if (!signal) throw new Unreadable(`expected an object with ${Object.keys(SIGNALS).join(', ')}`)
  explainer.addBatch(Batch.of(signal, [fromJson(signal, text)], 0))
}

const isWhole = (text: string): boolean => {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

const addLines = (explainer: Explainer, text: string): void => {
  text.split('\n').forEach((line, index) => {
    if (line.trim() === '') return
    try {
      addRequest(explainer, line)
    } catch (error) {
      throw new Unreadable(`line ${index + 1}: ${(error as Error).message}`)
    }
  })
}

const addExposition = (explainer: Explainer, text: string): void => {
  const format = /^# EOF\s*$/m.test(text) ? 'openmetrics' : 'text'
  for (const family of readExposition(Buffer.from(text), format))
    for (const { name, labels } of family.samples) {
      // A histogram's buckets and sums are one series here.
      const own = labels.filter(label => label.name !== 'le' && label.name !== 'quantile')
      explainer.addSeries(
        family.type === 'histogram' || family.type === 'summary' ? family.name : name,
        new Map(own.map(it => [it.name, it.value])),
      )
    }
}

/** Resolves with the exit code: 1 when the file is not what it should be. Throws ConfigError. */
export const explainWorkload = (
  file: string,
  root: MapNode,
  { out, err }: { readonly out: (text: string) => void; readonly err: (text: string) => void },
): number => {
  const explainer = new Explainer(options(root, err))
  try {
    const text = read(file)
    if (!text.trimStart().startsWith('{')) addExposition(explainer, text)
    else if (isWhole(text)) addRequest(explainer, text)
    else addLines(explainer, text)
  } catch (error) {
    if (error instanceof ConfigError) throw error
    err(`${file}: ${(error as Error).message}\n`)
    return 1
  }
  const { explanations } = explainer
  out(
    explanations.length === 0
      ? 'nothing in it has a workload: no span, data point or log record\n'
      : explanations.map(explanationText).join('\n'),
  )
  return 0
}
