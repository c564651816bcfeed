/** Where reading stands in one partition. */
import type { AssignedPartition, TopicPartition } from './client.js'

export class Cursor implements TopicPartition {
  readonly topic: string
  readonly partition: number
  position: number
  /** End of what can be read, as the broker last said; unknown before the first answer of this generation. */
  end: number | undefined
  paused = false
  /** The broker would not let it be read, the last time. */
  refused = false
  /** Monotonic time before which it is not asked for. */
  notBefore = 0
  /** Monotonic time of its last records, or of when it was known why there are none. */
  movedAt = 0
  /** Changes when what is under way for it no longer counts. */
  version = 0

  constructor({ topic, partition, position }: AssignedPartition) {
    this.topic = topic
    this.partition = partition
    this.position = position
  }

  get caughtUp(): boolean {
    return this.paused || (this.end !== undefined && this.position >= this.end)
  }

  moveTo(position: number): void {
    this.position = position
    this.version++
  }
}
