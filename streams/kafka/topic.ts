/** The topic of a stream, made or verified, however long the cluster is away. */
import { type KafkaClient, KafkaError, type TopicSpec } from '../../kafka/index.js'
import type { Clock } from '../ports.js'

const RETRY_MS = 1000

/** `away` hears once of a failure that waiting may mend. False when `signal` ended the waiting; rejects when the topic is none of ours. */
export const persistentTopic = async (
  client: KafkaClient,
  spec: TopicSpec,
  clock: Clock,
  away: (error: Error) => void,
  signal: AbortSignal,
): Promise<boolean> => {
  for (let told = false; !signal.aborted; ) {
    const admin = client.admin()
    try {
      await admin.ensureTopic(spec)
      return !signal.aborted
    } catch (error) {
      if (!(error instanceof KafkaError && error.kind === 'retryable')) throw error
      if (!told) away(error)
      told = true
    } finally {
      await admin.close()
    }
    await pause(clock, RETRY_MS, signal)
  }
  return false
}

/** Ends early with `signal`. */
export const pause = (clock: Clock, ms: number, signal: AbortSignal): Promise<void> =>
  new Promise(resolve => {
    const end = (): void => {
      cancel()
      signal.removeEventListener('abort', end)
      resolve()
    }
    const cancel = clock.after(ms, end)
    signal.addEventListener('abort', end)
  })
