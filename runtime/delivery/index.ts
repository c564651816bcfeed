/** Delivery: what stands between a consumer's promise and a backend's acknowledgement. */
export { deliver } from './delivery.js'
export { TOO_LARGE } from './halving.js'
export { type FlushReason, Merging } from './merging.js'
export { batchOptions, type DeliveryOptions, deliveryOptions } from './options.js'
export { Shutdown } from './shutdown.js'
export type { PartialSuccess, Send } from './timeout.js'
