/** Transactions that batches belong to: a processor that sends exactly once enters one, the exporter at the end writes there. */
import type { OutgoingRecord } from '../kafka/client.js'
import { Token } from './component.js'

/** Name in a batch's metadata. */
export const TRANSACTION = 'transaction'

export interface Transaction {
  /** Resolves when the records are written and wait for the commit. After a rejection none of the transaction's will be seen. */
  send(records: readonly OutgoingRecord[]): Promise<void>
}

export class Transactions {
  private readonly open = new Map<string, Transaction>()
  private last = 0

  /** While `work` runs, batches whose metadata has this are part of the transaction. */
  async within(transaction: Transaction, work: (metadata: { readonly [TRANSACTION]: string }) => Promise<void>): Promise<void> {
    const id = String(++this.last)
    this.open.set(id, transaction)
    try {
      await work({ [TRANSACTION]: id })
    } finally {
      this.open.delete(id)
    }
  }

  /** Undefined when it has ended. */
  get(id: string): Transaction | undefined {
    return this.open.get(id)
  }
}

export const TRANSACTIONS = new Token<Transactions>('transactions')
