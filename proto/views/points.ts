/** Data points without buckets, and what all five kinds share; read in place. Counts are numbers: exact up to 2^53. */
import { NUMBER_POINT, QUANTILE, SUMMARY_POINT } from '../fields.js'
import { FIXED64, Fields, readDouble, readUint32, readUint64 } from '../wire.js'
import { ItemView } from './item.js'
import { Numbers } from './numbers.js'

/** Bit of `flags`: the point marks missing data (Prometheus' staleness); its value means nothing. */
export const NO_RECORDED_VALUE = 1

export abstract class PointView extends ItemView {
  flags = 0
  protected startAt = -1
  protected timeAt = -1

  protected clear(): void {
    this.flags = 0
    this.startAt = this.timeAt = -1
  }

  /** Milliseconds since the epoch, fractional; 0 when absent. */
  get time(): number {
    return this.millis(this.timeAt)
  }

  get startTime(): number {
    return this.millis(this.startAt)
  }

  get timeNanos(): bigint {
    return this.nanos(this.timeAt)
  }

  get startNanos(): bigint {
    return this.nanos(this.startAt)
  }

  get noRecordedValue(): boolean {
    return (this.flags & NO_RECORDED_VALUE) !== 0
  }

  protected double(at: number): number {
    return at < 0 ? Number.NaN : readDouble(this.bytes, at)
  }

  protected count64(at: number): number {
    return at < 0 ? 0 : readUint64(this.bytes, at)
  }
}

export class NumberPointView extends PointView {
  readonly attributesField = NUMBER_POINT.attributes
  private valueAt = -1
  /** The value is an integer (`as_int`). */
  isInt = false

  protected locate(fields: Fields): void {
    this.clear()
    this.valueAt = -1
    this.isInt = false
    while (fields.next()) {
      switch (fields.number) {
        case NUMBER_POINT.attributes:
          this.attributes.addField(fields)
          break
        case NUMBER_POINT.time:
          this.timeAt = fields.expect(FIXED64).start
          break
        case NUMBER_POINT.startTime:
          this.startAt = fields.expect(FIXED64).start
          break
        case NUMBER_POINT.asDouble:
        case NUMBER_POINT.asInt:
          this.valueAt = fields.expect(FIXED64).start
          this.isInt = fields.number === NUMBER_POINT.asInt
          break
        case NUMBER_POINT.flags:
          this.flags = fields.int()
          break
      }
    }
  }

  get hasValue(): boolean {
    return this.valueAt >= 0
  }

  /** The value as a number (integers exact up to ±2^53); NaN when there is none. */
  get value(): number {
    if (!this.isInt) return this.double(this.valueAt)
    return (readUint32(this.bytes, this.valueAt + 4) | 0) * 0x1_0000_0000 + readUint32(this.bytes, this.valueAt)
  }

  /** The exact integer of an `as_int` value. */
  get bigint(): bigint {
    return this.isInt ? BigInt.asIntN(64, this.nanos(this.valueAt)) : 0n
  }
}

export class SummaryPointView extends PointView {
  readonly attributesField = SUMMARY_POINT.attributes
  private countAt = -1
  private sumAt = -1
  private readonly quantiles = new Numbers()
  private readonly values = new Numbers()
  private readonly pair = new Fields()

  protected locate(fields: Fields): void {
    this.clear()
    this.countAt = this.sumAt = -1
    this.quantiles.length = this.values.length = 0
    while (fields.next()) {
      switch (fields.number) {
        case SUMMARY_POINT.attributes:
          this.attributes.addField(fields)
          break
        case SUMMARY_POINT.time:
          this.timeAt = fields.expect(FIXED64).start
          break
        case SUMMARY_POINT.startTime:
          this.startAt = fields.expect(FIXED64).start
          break
        case SUMMARY_POINT.count:
          this.countAt = fields.expect(FIXED64).start
          break
        case SUMMARY_POINT.sum:
          this.sumAt = fields.expect(FIXED64).start
          break
        case SUMMARY_POINT.quantileValues:
          this.addQuantile(this.pair.enter(fields))
          break
        case SUMMARY_POINT.flags:
          this.flags = fields.int()
          break
      }
    }
  }

  private addQuantile(fields: Fields): void {
    let quantile = 0
    let value = 0
    while (fields.next()) {
      if (fields.number === QUANTILE.quantile) quantile = fields.double()
      else if (fields.number === QUANTILE.value) value = fields.double()
    }
    this.quantiles.push(quantile)
    this.values.push(value)
  }

  get count(): number {
    return this.count64(this.countAt)
  }

  get sum(): number {
    return this.sumAt < 0 ? 0 : this.double(this.sumAt)
  }

  get quantileLength(): number {
    return this.quantiles.length
  }

  quantile(index: number): number {
    return this.quantiles.at(index)
  }

  quantileValue(index: number): number {
    return this.values.at(index)
  }
}
