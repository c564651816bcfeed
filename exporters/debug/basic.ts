import type { Batch } from '../../proto/batch.js'
import type { OtlpSignal } from '../../proto/services.js'
import { MetricCursor } from '../../proto/views/metrics.js'

/** The Collector's words for a batch: its title and what it counts. */
export const counts = (batch: Batch, signal: OtlpSignal): [title: string, counts: Record<string, number>] => {
  const groups = batch.groups.length
  if (signal === 'traces') return ['Traces', { 'resource spans': groups, spans: batch.items }]
  if (signal === 'logs') return ['Logs', { 'resource logs': groups, 'log records': batch.items }]
  return ['Metrics', { 'resource metrics': groups, metrics: metricsIn(batch), 'data points': batch.items }]
}

const metricsIn = (batch: Batch): number => {
  const metrics = new MetricCursor()
  let count = 0
  for (const group of batch.groups) {
    metrics.over(group.rest)
    while (metrics.next()) count++
  }
  return count
}
