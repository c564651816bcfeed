/**
 * Chunks that wait for the watermark (rules 13 and 15): where each lies on the log and when it is due, 41 bytes a chunk.
 *
 * A ring in log order (so the oldest is known) and a binary heap of its slots by due time, ties in log order.
 * An evicted slot stays in the heap until it comes up; the ring's head waits for it.
 */

export interface Chunk {
  readonly offset: number
  readonly end: number
  readonly items: number
  /** Stream time at the record that was folded. */
  readonly folded: number
  /** Bytes of memory that wait with it. */
  readonly kept: number
}

const FREE = 0
const WAITING = 1
const EVICTED = 2
/** offset, length, due, folded, items, kept, state, heap place. */
export const BYTES_PER_CHUNK = 8 + 4 + 8 + 8 + 4 + 4 + 1 + 4

export class Hold {
  /** Chunks that wait. */
  count = 0
  private capacity = 64
  private head = 0
  private used = 0
  private oldestWaiting = 0
  private offsets = new Float64Array(this.capacity)
  private lengths = new Uint32Array(this.capacity)
  private dues = new Float64Array(this.capacity)
  private foldeds = new Float64Array(this.capacity)
  private items = new Uint32Array(this.capacity)
  private kept = new Uint32Array(this.capacity)
  private states = new Uint8Array(this.capacity)
  private heap = new Uint32Array(this.capacity)
  private heapSize = 0

  /** Offsets grow from call to call. */
  push({ offset, end, items, folded, kept }: Chunk, due: number): void {
    if (this.used === this.capacity) this.grow()
    const slot = (this.head + this.used++) % this.capacity
    if (this.count++ === 0) this.oldestWaiting = slot
    this.offsets[slot] = offset
    this.lengths[slot] = end - offset
    this.dues[slot] = due
    this.foldeds[slot] = folded
    this.items[slot] = items
    this.kept[slot] = kept
    this.states[slot] = WAITING
    this.heap[this.heapSize] = slot
    this.siftUp(this.heapSize++)
  }

  /** When the next chunk is due; Infinity when none waits. */
  nextDue(): number {
    while (this.heapSize > 0 && this.states[this.heap[0]!] === EVICTED) this.free(this.popSlot())
    return this.heapSize > 0 ? this.dues[this.heap[0]!]! : Infinity
  }

  /** The next chunk due, taken out. Only after `nextDue` said there is one. */
  pop(): Chunk {
    const slot = this.popSlot()
    const chunk = this.at(slot)
    this.count--
    this.free(slot)
    return chunk
  }

  /** The chunks due by `time`, soonest first, left where they are; at most `limit` bytes of log or memory, but at least one. */
  dueBy(time: number, limit: number): Chunk[] {
    const slots: number[] = []
    let bytes = 0
    while (bytes < limit && this.nextDue() <= time) {
      const slot = this.popSlot()
      slots.push(slot)
      bytes += Math.max(this.lengths[slot]!, this.kept[slot]!)
    }
    for (const slot of slots) {
      this.heap[this.heapSize] = slot
      this.siftUp(this.heapSize++)
    }
    return slots.map(slot => this.at(slot))
  }

  /** The first chunk in log order, taken out. Only when `count` is above zero. */
  evict(): Chunk {
    const slot = this.oldest()
    this.states[slot] = EVICTED
    this.count--
    return this.at(slot)
  }

  /** Offset of the first chunk in log order that waits; Infinity when none does. */
  oldestOffset(): number {
    return this.count > 0 ? this.offsets[this.oldest()]! : Infinity
  }

  private oldest(): number {
    while (this.states[this.oldestWaiting] !== WAITING) this.oldestWaiting = (this.oldestWaiting + 1) % this.capacity
    return this.oldestWaiting
  }

  private at(slot: number): Chunk {
    const offset = this.offsets[slot]!
    return {
      offset,
      end: offset + this.lengths[slot]!,
      items: this.items[slot]!,
      folded: this.foldeds[slot]!,
      kept: this.kept[slot]!,
    }
  }

  private free(slot: number): void {
    this.states[slot] = FREE
    while (this.used > 0 && this.states[this.head] === FREE) {
      this.head = (this.head + 1) % this.capacity
      this.used--
    }
  }

  private before(a: number, b: number): boolean {
    const difference = this.dues[a]! - this.dues[b]!
    return difference < 0 || (difference === 0 && this.offsets[a]! < this.offsets[b]!)
  }

  private siftUp(from: number): void {
    const { heap } = this
    const slot = heap[from]!
    let at = from
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (!this.before(slot, heap[parent]!)) break
      heap[at] = heap[parent]!
      at = parent
    }
    heap[at] = slot
  }

  private popSlot(): number {
    const { heap } = this
    const top = heap[0]!
    const slot = heap[--this.heapSize]!
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= this.heapSize) break
      if (child + 1 < this.heapSize && this.before(heap[child + 1]!, heap[child]!)) child++
      if (!this.before(heap[child]!, slot)) break
      heap[at] = heap[child]!
      at = child
    }
    if (this.heapSize > 0) heap[at] = slot
    return top
  }

  /** Doubles the ring; slot numbers are counted anew from the head. */
  private grow(): void {
    const { capacity, head } = this
    const unroll = <A extends Float64Array | Uint32Array | Uint8Array>(old: A, next: A): A => {
      next.set(old.subarray(head), 0)
      next.set(old.subarray(0, head), capacity - head)
      return next
    }
    this.offsets = unroll(this.offsets, new Float64Array(2 * capacity))
    this.lengths = unroll(this.lengths, new Uint32Array(2 * capacity))
    this.dues = unroll(this.dues, new Float64Array(2 * capacity))
    this.foldeds = unroll(this.foldeds, new Float64Array(2 * capacity))
    this.items = unroll(this.items, new Uint32Array(2 * capacity))
    this.kept = unroll(this.kept, new Uint32Array(2 * capacity))
    this.states = unroll(this.states, new Uint8Array(2 * capacity))
    const heap = new Uint32Array(2 * capacity)
    for (let at = 0; at < this.heapSize; at++) heap[at] = (this.heap[at]! - head + capacity) % capacity
    this.heap = heap
    this.oldestWaiting = (this.oldestWaiting - head + capacity) % capacity
    this.head = 0
    this.capacity = 2 * capacity
  }
}
