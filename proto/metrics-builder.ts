/** Gauges and sums from JavaScript values: for who measures something itself, a few hundred points at a time. */
import { writeAttribute } from './attribute.js'
import { Batch, Group } from './batch.js'
import { GROUP, METRIC, METRIC_DATA, NUMBER_POINT, SCOPE, SCOPE_GROUP } from './fields.js'
import { Writer } from './wire.js'

/** What all points of a metric have in common. */
export interface MetricShape {
  readonly name: string
  readonly description: string
  /** UCUM. */
  readonly unit: string
  /** `counter` only rises, `updown` is a sum that also falls; both are cumulative. */
  readonly kind: 'gauge' | 'counter' | 'updown'
  /** Values are whole numbers and written as such. */
  readonly whole?: boolean
}

/** Attributes of a point, encoded once for all points that carry them. */
export type PointLabels = Uint8Array

/** Undefined values are left out. */
export const pointLabels = (values: Readonly<Record<string, string | number | undefined>>): PointLabels => {
  const writer = new Writer(128)
  for (const [key, value] of Object.entries(values)) if (value !== undefined) writeAttribute(writer, NUMBER_POINT.attributes, key, value)
  return writer.finish()
}

const CUMULATIVE = 2

/** Collects the points of one moment; `finish` hands them out as a batch and begins anew. */
export class MetricsBuilder {
  points = 0
  private time = 0
  private readonly data = new Map<MetricShape, Writer>()

  constructor(private readonly scope: string) {}

  /** `time`: of all points that follow, milliseconds since the epoch. Forgets points not handed out. */
  begin(time: number): this {
    this.time = time
    this.points = 0
    for (const writer of this.data.values()) writer.clear()
    return this
  }

  /**
   * `labels` are written one after the other. `start`: milliseconds since the epoch at which a sum was 0; undefined = not known.
   * A value that is undefined or no finite number makes no point.
   */
  add(shape: MetricShape, value: number | undefined, labels: readonly PointLabels[], start?: number): void {
    if (value === undefined || !Number.isFinite(value)) return
    let writer = this.data.get(shape)
    if (!writer) this.data.set(shape, (writer = new Writer(512)))
    writer.begin(METRIC_DATA.dataPoints, 128)
    if (start !== undefined && shape.kind !== 'gauge') writer.millis(NUMBER_POINT.startTime, start)
    writer.millis(NUMBER_POINT.time, this.time)
    if (shape.whole && value >= 0 && value <= Number.MAX_SAFE_INTEGER) writer.count(NUMBER_POINT.asInt, Math.round(value))
    else if (shape.whole) writer.fixed64(NUMBER_POINT.asInt, BigInt(Math.round(value)))
    else writer.double(NUMBER_POINT.asDouble, value)
    for (const each of labels) writer.raw(each)
    writer.end()
    this.points++
  }

  /** `resource`: body of the Resource. Undefined when there is no point. */
  finish(resource: Uint8Array): Batch | undefined {
    if (this.points === 0) return undefined
    const writer = new Writer(4096)
    writer.begin(GROUP.scopes, 4096).message(SCOPE_GROUP.scope, scope => scope.string(SCOPE.name, this.scope))
    for (const [shape, points] of this.data) if (points.length > 0) writeMetric(writer, shape, points)
    writer.end()
    return Batch.ofGroups('metrics', [Group.of(resource, writer.finish())], this.points)
  }
}

const writeMetric = (writer: Writer, { name, description, unit, kind }: MetricShape, points: Writer): void => {
  writer.begin(SCOPE_GROUP.items, 512).string(METRIC.name, name).string(METRIC.description, description).string(METRIC.unit, unit)
  writer.begin(kind === 'gauge' ? METRIC.gauge : METRIC.sum, 512).rawFrom(points)
  if (kind !== 'gauge') writer.uint(METRIC_DATA.temporality, CUMULATIVE)
  if (kind === 'counter') writer.uint(METRIC_DATA.isMonotonic, 1)
  writer.end().end()
}
