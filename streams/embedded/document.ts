/** What the checkpoint cell of an embedded stream holds: the number of partitions, and the checkpoint of each. */
import type { Checkpoint } from '../driver.js'

const VERSION = 1

export interface StreamDocument {
  readonly partitions: number
  readonly checkpoints: ReadonlyMap<number, Checkpoint>
}

export const writeDocument = ({ partitions, checkpoints }: StreamDocument): Buffer =>
  Buffer.from(JSON.stringify({ version: VERSION, partitions, checkpoints: [...checkpoints] }))

/** Throws with a message for a person. */
export const readDocument = (bytes: Buffer): StreamDocument => {
  const { version, partitions, checkpoints } = JSON.parse(bytes.toString()) as {
    version: number
    partitions: number
    checkpoints: [number, Checkpoint][]
  }
  if (version !== VERSION) throw new Error(`written by another version of the gateway (format ${version}, this one reads ${VERSION})`)
  return { partitions, checkpoints: new Map(checkpoints) }
}
