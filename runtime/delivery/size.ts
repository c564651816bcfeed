import type { Batch } from '../../proto/batch.js'

/** How the size of a queue or a batch is counted. */
export type Sizer = 'requests' | 'items' | 'bytes'

export const sizeOf = (batch: Batch, sizer: Sizer): number => (sizer === 'items' ? batch.items : sizer === 'bytes' ? batch.bytes : 1)
