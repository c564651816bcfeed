/** Data points with buckets, read in place. Counts are numbers: exact up to 2^53. Buckets are read when first asked for. */
import { BUCKETS, EXPONENTIAL_POINT, HISTOGRAM_POINT } from '../fields.js'
import { FIXED64, Fields, readDouble, readUint64 } from '../wire.js'
import { Numbers } from './numbers.js'
import { PointView } from './points.js'

/** What the points with buckets share. `sum`, `min` and `max` are NaN when absent. */
abstract class DistributionView extends PointView {
  protected countAt = -1
  protected sumAt = -1
  protected minAt = -1
  protected maxAt = -1

  protected override clear(): void {
    super.clear()
    this.countAt = this.sumAt = this.minAt = this.maxAt = -1
  }

  get count(): number {
    return this.count64(this.countAt)
  }

  get sum(): number {
    return this.double(this.sumAt)
  }

  get min(): number {
    return this.double(this.minAt)
  }

  get max(): number {
    return this.double(this.maxAt)
  }
}

export class HistogramPointView extends DistributionView {
  readonly attributesField = HISTOGRAM_POINT.attributes
  private readonly counts = new Numbers()
  private readonly bounds = new Numbers()
  private bucketsRead = false
  private readonly again = new Fields()

  protected locate(fields: Fields): void {
    this.clear()
    this.bucketsRead = false
    while (fields.next()) {
      switch (fields.number) {
        case HISTOGRAM_POINT.attributes:
          this.attributes.addField(fields)
          break
        case HISTOGRAM_POINT.time:
          this.timeAt = fields.expect(FIXED64).start
          break
        case HISTOGRAM_POINT.startTime:
          this.startAt = fields.expect(FIXED64).start
          break
        case HISTOGRAM_POINT.count:
          this.countAt = fields.expect(FIXED64).start
          break
        case HISTOGRAM_POINT.sum:
          this.sumAt = fields.expect(FIXED64).start
          break
        case HISTOGRAM_POINT.min:
          this.minAt = fields.expect(FIXED64).start
          break
        case HISTOGRAM_POINT.max:
          this.maxAt = fields.expect(FIXED64).start
          break
        case HISTOGRAM_POINT.flags:
          this.flags = fields.int()
          break
      }
    }
  }

  /** Number of buckets: one more than bounds, or both zero. Throws WireError when the buckets are malformed, as the next three do. */
  get bucketLength(): number {
    this.readBuckets()
    return this.counts.length
  }

  get boundLength(): number {
    this.readBuckets()
    return this.bounds.length
  }

  /** What fell into (bound(i - 1), bound(i)]. Throws RangeError outside 0 to `bucketLength` - 1. */
  bucketCount(index: number): number {
    this.readBuckets()
    return this.counts.at(index)
  }

  bound(index: number): number {
    this.readBuckets()
    return this.bounds.at(index)
  }

  private readBuckets(): void {
    if (this.bucketsRead) return
    this.counts.length = this.bounds.length = 0
    const fields = this.again.reset(this.bytes, this.start, this.end)
    while (fields.next()) {
      if (fields.number === HISTOGRAM_POINT.bucketCounts) this.counts.addFixed64(fields, readUint64)
      else if (fields.number === HISTOGRAM_POINT.explicitBounds) this.bounds.addFixed64(fields, readDouble)
    }
    this.bucketsRead = true
  }
}

/** One side of an exponential histogram: bucket i holds (base^(offset+i), base^(offset+i+1)], base = 2^(2^-scale). */
export class BucketsView {
  offset = 0
  private readonly counts = new Numbers()
  private readonly fields = new Fields()

  clear(): void {
    this.offset = 0
    this.counts.length = 0
  }

  /** Adds what the Buckets in `field` say; one that appears twice is merged. */
  add(field: Fields): void {
    const fields = this.fields.enter(field)
    while (fields.next()) {
      if (fields.number === BUCKETS.offset) this.offset = fields.zigzag()
      else if (fields.number === BUCKETS.bucketCounts) this.counts.addVarints(fields)
    }
  }

  get length(): number {
    return this.counts.length
  }

  count(index: number): number {
    return this.counts.at(index)
  }
}

export class ExponentialPointView extends DistributionView {
  readonly attributesField = EXPONENTIAL_POINT.attributes
  scale = 0
  private zeroCountAt = -1
  private zeroThresholdAt = -1
  private bucketsRead = false
  private readonly sides = { positive: new BucketsView(), negative: new BucketsView() }
  private readonly again = new Fields()

  protected locate(fields: Fields): void {
    this.clear()
    this.scale = 0
    this.zeroCountAt = this.zeroThresholdAt = -1
    this.bucketsRead = false
    while (fields.next()) {
      switch (fields.number) {
        case EXPONENTIAL_POINT.attributes:
          this.attributes.addField(fields)
          break
        case EXPONENTIAL_POINT.time:
          this.timeAt = fields.expect(FIXED64).start
          break
        case EXPONENTIAL_POINT.startTime:
          this.startAt = fields.expect(FIXED64).start
          break
        case EXPONENTIAL_POINT.count:
          this.countAt = fields.expect(FIXED64).start
          break
        case EXPONENTIAL_POINT.sum:
          this.sumAt = fields.expect(FIXED64).start
          break
        case EXPONENTIAL_POINT.min:
          this.minAt = fields.expect(FIXED64).start
          break
        case EXPONENTIAL_POINT.max:
          this.maxAt = fields.expect(FIXED64).start
          break
        case EXPONENTIAL_POINT.scale:
          this.scale = fields.zigzag()
          break
        case EXPONENTIAL_POINT.zeroCount:
          this.zeroCountAt = fields.expect(FIXED64).start
          break
        case EXPONENTIAL_POINT.zeroThreshold:
          this.zeroThresholdAt = fields.expect(FIXED64).start
          break
        case EXPONENTIAL_POINT.flags:
          this.flags = fields.int()
          break
      }
    }
  }

  get zeroCount(): number {
    return this.count64(this.zeroCountAt)
  }

  get zeroThreshold(): number {
    return this.zeroThresholdAt < 0 ? 0 : this.double(this.zeroThresholdAt)
  }

  /** The views are reused by the next point. Throws WireError when the buckets are malformed. */
  get positive(): BucketsView {
    this.readBuckets()
    return this.sides.positive
  }

  get negative(): BucketsView {
    this.readBuckets()
    return this.sides.negative
  }

  private readBuckets(): void {
    if (this.bucketsRead) return
    const { positive, negative } = this.sides
    positive.clear()
    negative.clear()
    const fields = this.again.reset(this.bytes, this.start, this.end)
    while (fields.next()) {
      if (fields.number === EXPONENTIAL_POINT.positive) positive.add(fields)
      else if (fields.number === EXPONENTIAL_POINT.negative) negative.add(fields)
    }
    this.bucketsRead = true
  }
}
