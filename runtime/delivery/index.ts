/** Delivery: what stands between a consumer's promise and a backend's acknowledgement. */
export { deliverAtOnce } from './at_once.js'
export { deliver } from './delivery.js'
export { Gate } from './gate.js'
export { halve, TOO_LARGE } from './halving.js'
export { type FlushReason, Merging, settleAll } from './merging.js'
export { batchOptions, type DeliveryOptions, deliveryOptions, IMMEDIATE } from './options.js'
export { Shutdown } from './shutdown.js'
export type { Outcome, Send } from './timeout.js'
