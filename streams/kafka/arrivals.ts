/** What was fetched and the engine has not taken yet: handed out in slices, because values are decompressed then. */
import type { FetchedBatch, TopicPartition } from '../../kafka/index.js'
import type { Plain } from './plain.js'
import { fromKafka, type Received } from './record.js'

/** Where the engine stands in a partition that is ours. */
export interface Position {
  /** The offset behind what was handed to the engine. */
  handed: number
}

export class Arrivals {
  private batches: FetchedBatch[] = []
  /** Handed out whole: the engine reads them until it asks for more. */
  private handedOut: FetchedBatch[] = []

  /** `plain`: where the values lie that were handed out. */
  constructor(private readonly plain: Plain) {}

  get empty(): boolean {
    return this.batches.length === 0
  }

  add(batches: readonly FetchedBatch[]): void {
    this.batches.push(...batches)
  }

  /** Of a generation that is over. */
  clear(): void {
    this.handedOut.push(...this.batches)
    this.batches = []
  }

  /** The engine looks at nothing any more that it was given. */
  release(): void {
    for (const batch of this.handedOut.splice(0)) batch.release()
    this.plain.release()
  }

  /**
   * Records in log order, their values together `bytes` when decompressed, and one more; `foreign` are stepped over. What is nobody's (`positionOf` undefined)
   * is dropped; what was fetched before its partition began again further back is dropped too, and `behind` is told.
   */
  take(
    bytes: number,
    positionOf: (batch: FetchedBatch) => Position | undefined,
    behind: (partition: TopicPartition, position: Position) => void,
  ): { records: Received[]; foreign: number } {
    const records: Received[] = []
    let foreign = 0
    for (let room = bytes; room > 0 && this.batches.length > 0; ) {
      const batch = this.batches[0]!
      const position = positionOf(batch)
      if (!position || batch.from > position.handed) {
        if (position) behind(batch, position)
        this.shift()
        continue
      }
      const fetched = batch.records
      let index = fetched.findIndex(({ offset }) => offset >= position.handed)
      if (index < 0) index = fetched.length
      for (; index < fetched.length && room > 0; index++) {
        const received = fromKafka(batch.partition, fetched[index]!, this.plain.place)
        if (received) records.push(received)
        else foreign++
        room -= received?.value.length ?? 1
        position.handed = fetched[index]!.offset + 1
      }
      if (index === fetched.length) {
        position.handed = batch.next
        this.shift()
      }
    }
    return { records, foreign }
  }

  private shift(): void {
    this.handedOut.push(this.batches.shift()!)
  }
}
