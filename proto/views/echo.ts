/**
 * What was made of the attributes of a group's data points, found again: the points of one metric mostly carry the very attributes that those of
 * the metric before carry, in the same order. So they are compared and stepped over as one stretch of bytes, and looked into once a group.
 */
import { BYTES, type Fields, sameBytes } from '../wire.js'

const FIRST_PLACES = 64
/** Where a stretch ends that no other equals. */
const NOWHERE = -1

/**
 * Told of groups, metrics, points and their attribute fields as they are read:
 *
 *     while (point.next()) if (point.number === NUMBER_POINT.attributes) echo.attribute(point)
 *     const made = echo.heard ?? echo.keep(make(point.bytes.subarray(echo.start, echo.end)))
 */
export class Echo<T extends object> {
  /** The point's attribute fields, tags included, are [start, end). */
  start = 0
  end = 0
  /** Nothing lies between them. */
  together = true
  /** By place of a point in its metric: the stretch that was met there last, and what was made of it. */
  private starts = new Int32Array(FIRST_PLACES)
  private ends = new Int32Array(FIRST_PLACES)
  private readonly made: T[] = []
  /** Places that were met in this group. */
  private known = 0
  /** Of the point in its metric. */
  place = -1
  /** Where the stretch ends if it is the one known of this place; NOWHERE once it cannot be. */
  private expected = NOWHERE

  beginGroup(): void {
    this.known = 0
  }

  beginMetric(): void {
    this.place = -1
  }

  beginPoint(): void {
    this.start = this.end = 0
    this.together = true
    if (++this.place === this.known) this.addPlace()
    this.expected = this.ends[this.place] === this.starts[this.place] ? 0 : NOWHERE
  }

  /** Takes the current field as one of the point's attributes; steps over all that follow when they are as expected. Throws WireError. */
  attribute(field: Fields): void {
    field.expect(BYTES)
    const { tagStart } = field
    if (this.end > 0) {
      if (tagStart !== this.end) this.together = false
      this.end = field.end
      return
    }
    this.start = tagStart
    this.end = field.end
    this.expected = NOWHERE
    const { bytes } = field
    const start = this.starts[this.place]!
    const end = this.ends[this.place]!
    const until = tagStart + end - start
    if (until < field.end || until > field.limit || !sameBytes(bytes, start, end, bytes, tagStart, until)) return
    // Equal bytes are equal fields, whole ones: reading goes on behind them.
    this.expected = this.end = field.end = until
  }

  /** What was made of the same attributes at this place in an earlier metric of the group; after undefined, `keep` follows. */
  get heard(): T | undefined {
    return this.end === this.expected && this.together ? this.made[this.place] : undefined
  }

  keep(made: T): T {
    this.starts[this.place] = this.start
    this.ends[this.place] = this.together ? this.end : NOWHERE
    this.made[this.place] = made
    return made
  }

  private addPlace(): void {
    if (this.known === this.ends.length) {
      this.starts = larger(this.starts)
      this.ends = larger(this.ends)
    }
    this.ends[this.known++] = NOWHERE
  }
}

const larger = (old: Int32Array<ArrayBuffer>): Int32Array<ArrayBuffer> => {
  const array = new Int32Array(old.length * 2)
  array.set(old)
  return array
}
