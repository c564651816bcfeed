/**
 * How kafkajs takes what a broker sends: it puts every piece together with what came before, so that each answer is copied once more, into memory of its
 * own. Ours takes whole answers.
 */
import type { Socket } from 'node:net'
import Connection from 'kafkajs/src/network/connection.js'
import { Framing } from './framing.js'

const MENDED = Symbol.for('ai-factory-gateway.kafkajs.answers')
const framings = new WeakMap<Socket, Framing>()

const answered = (connection: Connection, answer: Buffer): void => {
  if (connection.authHandlers) connection.authHandlers.onSuccess(answer)
  else
    connection.requestQueue.fulfillRequest({
      size: answer.length - 4,
      correlationId: answer.readInt32BE(4),
      payload: answer.subarray(8),
    })
}

export const mendAnswers = (): void => {
  const prototype: Connection & { [MENDED]?: true } = Connection.prototype
  if (prototype[MENDED]) return
  prototype.processData = function (this: Connection, bytes: Buffer) {
    const { socket } = this
    if (this.authHandlers && !this.authExpectResponse) {
      this.authHandlers.onSuccess(bytes)
      return
    }
    let framing = framings.get(socket)
    if (!framing) framings.set(socket, (framing = new Framing(answer => answered(this, answer))))
    try {
      framing.push(bytes)
    } catch (error) {
      socket.destroy(error as Error)
    }
  }
  prototype[MENDED] = true
}
