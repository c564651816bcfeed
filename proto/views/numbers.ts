/** A list of numbers read from a repeated field, packed or not. */
import { afterVarint, BYTES, FIXED64, type Fields, int64At, VARINT, varintAt, WireError } from '../wire.js'

/** Keeps its memory from one point to the next. */
export class Numbers {
  length = 0
  private values = new Float64Array(32)

  at(index: number): number {
    if (index < 0 || index >= this.length) throw new RangeError(`element ${index} of ${this.length}`)
    return this.values[index]!
  }

  push(value: number): void {
    if (this.length === this.values.length) {
      const grown = new Float64Array(this.length * 2)
      grown.set(this.values)
      this.values = grown
    }
    this.values[this.length++] = value
  }

  /** Adds a repeated fixed64 or double, packed or one by one. */
  addFixed64(field: Fields, read: (bytes: Uint8Array, at: number) => number): void {
    if (field.type !== FIXED64) field.expect(BYTES)
    if ((field.end - field.start) % 8 !== 0) throw new WireError('packed 64-bit values end in the middle of one', field.start)
    for (let at = field.start; at < field.end; at += 8) this.push(read(field.bytes, at))
  }

  /** Adds a repeated uint64 of varints, packed or one by one. */
  addVarints(field: Fields): void {
    if (field.type !== VARINT) field.expect(BYTES)
    for (let at = field.start; at < field.end; ) {
      const end = afterVarint(field.bytes, at, field.end)
      const long = end - at > 7
      this.push(long ? Number(BigInt.asUintN(64, int64At(field.bytes, at, end))) : varintAt(field.bytes, at, end))
      at = end
    }
  }
}
