import type { Batch } from '../../proto/batch.js'
import type { BucketsView, ExponentialPointView, HistogramPointView } from '../../proto/views/histograms.js'
import { EXPONENTIAL_HISTOGRAM, GAUGE, HISTOGRAM, MetricCursor, type MetricView, NO_DATA, SUM, SUMMARY } from '../../proto/views/metrics.js'
import type { NumberPointView, SummaryPointView } from '../../proto/views/points.js'
import { ResourceView } from '../../proto/views/resource.js'
import { attributeLines, attributesInLine, scopeLines, time, words } from './text.js'

const KINDS: Readonly<Record<number, string>> = {
  [NO_DATA]: 'Empty',
  [GAUGE]: 'Gauge',
  [SUM]: 'Sum',
  [HISTOGRAM]: 'Histogram',
  [EXPONENTIAL_HISTOGRAM]: 'ExponentialHistogram',
  [SUMMARY]: 'Summary',
}
const POINTS: Readonly<Record<number, string>> = {
  [GAUGE]: 'NumberDataPoints',
  [SUM]: 'NumberDataPoints',
  [HISTOGRAM]: 'HistogramDataPoints',
  [EXPONENTIAL_HISTOGRAM]: 'ExponentialHistogramDataPoints',
  [SUMMARY]: 'SummaryDataPoints',
}
const TEMPORALITIES = ['Unspecified', 'Delta', 'Cumulative']

export const normalMetrics = (batch: Batch): string[] => {
  const lines: string[] = []
  const metrics = new MetricCursor()
  batch.groups.forEach((group, index) => {
    lines.push(words(`ResourceMetrics #${index}`, attributesInLine(new ResourceView().read(group.resource).attributes)))
    metrics.over(group.rest)
    let scope = -1
    while (metrics.next()) {
      if (metrics.scopeIndex !== scope) lines.push(words(`ScopeMetrics #${(scope = metrics.scopeIndex)}`, metrics.scope.name()))
      const name = metrics.metric.name()
      while (metrics.nextPoint()) {
        const labels = attributesInLine(metrics.point.attributes).replaceAll(' ', ',')
        lines.push(`${name}{${labels}} ${values(metrics).join(' ')}`)
      }
    }
  })
  return lines
}

export const detailedMetrics = (batch: Batch): string[] => {
  const lines: string[] = []
  const metrics = new MetricCursor()
  batch.groups.forEach((group, index) => {
    lines.push(`ResourceMetrics #${index}`, ...attributeLines('Resource attributes', new ResourceView().read(group.resource).attributes))
    metrics.over(group.rest)
    let scope = -1
    let number = 0
    while (metrics.next()) {
      if (metrics.scopeIndex !== scope) {
        number = 0
        lines.push(`ScopeMetrics #${(scope = metrics.scopeIndex)}`, ...scopeLines(metrics.scope))
      }
      lines.push(`Metric #${number++}`, ...descriptorLines(metrics.metric))
      for (let point = 0; metrics.nextPoint(); point++) {
        const { attributes, startNanos, timeNanos } = metrics.point
        lines.push(`${POINTS[metrics.metric.kind]} #${point}`, ...attributeLines('Data point attributes', attributes))
        lines.push(`StartTimestamp: ${time(startNanos)}`, `Timestamp: ${time(timeNanos)}`, ...values(metrics, 'long'))
      }
    }
  })
  return lines
}

const descriptorLines = (metric: MetricView): string[] => [
  'Descriptor:',
  `     -> Name: ${metric.name()}`,
  `     -> Description: ${metric.description()}`,
  `     -> Unit: ${metric.unit()}`,
  `     -> DataType: ${KINDS[metric.kind]}`,
  ...(metric.kind === SUM ? [`     -> IsMonotonic: ${metric.isMonotonic}`] : []),
  ...(metric.kind === SUM || metric.kind === HISTOGRAM || metric.kind === EXPONENTIAL_HISTOGRAM
    ? [`     -> AggregationTemporality: ${TEMPORALITIES[metric.temporality] ?? metric.temporality}`]
    : []),
]

/** What the current point says: words of one line, or lines of their own. */
const values = (metrics: MetricCursor, form: 'short' | 'long' = 'short'): string[] => {
  const { kind } = metrics.metric
  const long = form === 'long'
  if (metrics.point.noRecordedValue) return [long ? 'Value: none recorded' : 'none']
  if (kind === HISTOGRAM) return histogramValues(metrics.histogram, long)
  if (kind === EXPONENTIAL_HISTOGRAM) return exponentialValues(metrics.exponential, long)
  if (kind === SUMMARY) return summaryValues(metrics.summary, long)
  return numberValue(metrics.number, long)
}

const numberValue = (point: NumberPointView, long: boolean): string[] => {
  const value = !point.hasValue ? 'none' : point.isInt ? String(point.bigint) : String(point.value)
  return [long ? `Value: ${value}` : value]
}

/** count, sum, min and max; those that are absent are left out. */
const totals = (point: { count: number; sum: number; min?: number; max?: number }, long: boolean): string[] => {
  const found: string[] = []
  for (const [name, value] of [
    ['Count', point.count] as const,
    ['Sum', point.sum] as const,
    ['Min', point.min] as const,
    ['Max', point.max] as const,
  ])
    if (value !== undefined && !Number.isNaN(value)) found.push(long ? `${name}: ${value}` : `${name.toLowerCase()}=${value}`)
  return found
}

const histogramValues = (point: HistogramPointView, long: boolean): string[] => {
  const found = totals(point, long)
  if (long) {
    for (let i = 0; i < point.boundLength; i++) found.push(`ExplicitBounds #${i}: ${point.bound(i)}`)
    for (let i = 0; i < point.bucketLength; i++) found.push(`Buckets #${i}, Count: ${point.bucketCount(i)}`)
  } else
    for (let i = 0; i < point.bucketLength; i++) found.push(`le${i < point.boundLength ? point.bound(i) : 'Inf'}=${point.bucketCount(i)}`)
  return found
}

const exponentialValues = (point: ExponentialPointView, long: boolean): string[] => {
  const found = totals(point, long)
  const base = 2 ** (2 ** -point.scale)
  const edge = (index: number): string => Number(base ** index).toPrecision(6)
  const buckets = (side: BucketsView, sign: '' | '-'): void => {
    for (let i = 0; i < side.length; i++) {
      const [low, high] = [edge(side.offset + i), edge(side.offset + i + 1)]
      const range = sign === '-' ? `[-${high}, -${low})` : `(${low}, ${high}]`
      found.push(`Bucket ${range}, Count: ${side.count(i)}`)
    }
  }
  if (!long) return [...found, `scale=${point.scale}`, `zero=${point.zeroCount}`]
  buckets(point.negative, '-')
  found.push(`Bucket [${-point.zeroThreshold || 0}, ${point.zeroThreshold}], Count: ${point.zeroCount}`)
  buckets(point.positive, '')
  return found
}

const summaryValues = (point: SummaryPointView, long: boolean): string[] => {
  const found = totals(point, long)
  for (let i = 0; i < point.quantileLength; i++)
    found.push(
      long
        ? `QuantileValue #${i}: Quantile ${point.quantile(i)}, Value ${point.quantileValue(i)}`
        : `q${point.quantile(i)}=${point.quantileValue(i)}`,
    )
  return found
}
