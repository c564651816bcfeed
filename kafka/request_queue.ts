/**
 * kafkajs arms a timer after every answer, with a time that is negative when nothing is throttled: newer Nodes warn of each (TimeoutNegativeWarning,
 * kafkajs issue 1751), and all of them pay for it. The timer is only needed while requests wait.
 */
import RequestQueue from 'kafkajs/src/network/requestQueue/index.js'

type Queue = InstanceType<typeof RequestQueue>
const MENDED = Symbol.for('ai-factory-gateway.kafkajs.mended')

export const mendRequestQueue = (): void => {
  const { prototype } = RequestQueue as { prototype: Queue & { [MENDED]?: true } }
  if (prototype[MENDED]) return
  const original = prototype.scheduleCheckPendingRequests
  prototype.scheduleCheckPendingRequests = function (this: Queue) {
    if (this.pending.length > 0) original.call(this)
  }
  prototype[MENDED] = true
}
