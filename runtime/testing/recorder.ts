/** A consumer that remembers what it was given and answers as told. */
import { Batch } from '../../proto/batch.js'
import type { Consumer } from '../component.js'

export class Recorder implements Consumer {
  readonly batches: Batch[] = []

  /** `copying`: keeps copies, because the memory of what it is given is used again once it has answered. */
  constructor(private readonly copying = false) {}

  /** What to answer: rejects with the error it returns; resolves when it returns nothing. A promise holds the batch until it settles. */
  answer: (batch: Batch) => Error | undefined | Promise<Error | undefined> = () => undefined

  readonly consume = async (batch: Batch): Promise<void> => {
    this.batches.push(
      this.copying
        ? Batch.of(
            batch.signal,
            batch.wholeSlices.map(slice => new Uint8Array(slice)),
            batch.items,
            batch.metadata,
          )
        : batch,
    )
    const error = await this.answer(batch)
    if (error) throw error
  }

  get items(): number {
    return this.batches.reduce((sum, batch) => sum + batch.items, 0)
  }
}
