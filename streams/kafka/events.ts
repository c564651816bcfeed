/** What happens to a stream on Kafka, as metrics and log lines. */
import type { Gap, TopicPartition, Unreadable } from '../../kafka/index.js'
import type { Ports } from '../ports.js'

const PREFIX = 'ai_factory_gateway_stream_'

export interface KafkaEvents {
  /** A rebalance: partitions that stayed with their state, and those that are new here. */
  joined(generation: number, kept: number, taken: number): void
  gap(gap: Gap): void
  unreadable(unreadable: Unreadable): void
  /** Records that no gateway wrote, or whose value is damaged. */
  foreign(records: number): void
  /** The offset that the group has committed says nothing about the stream. */
  strange(partition: TopicPartition, offset: number): void
  failing(error: Error): void
  recovered(): void
}

export const kafkaEvents = (stream: string, { meter, log }: Ports): KafkaEvents => {
  const rebalances = meter.counter(`${PREFIX}rebalances_total`, 'Generations of the consumer group that this gateway was part of.', {
    stream,
  })
  const missing = (reason: Gap['reason']) =>
    meter.counter(`${PREFIX}missing_records_total`, 'Records that were on the topic, were needed, and cannot be read any more.', {
      stream,
      reason,
    })
  const gaps = { log_start_moved: missing('log_start_moved'), log_truncated: missing('log_truncated') }
  const unreadable = (reason: string) =>
    meter.counter(`${PREFIX}unreadable_records_total`, 'Records on the topic that cannot be read and are stepped over.', { stream, reason })
  const damaged = unreadable('damaged')
  const alien = unreadable('foreign')
  return {
    joined: (generation, kept, taken) => {
      rebalances.add(1)
      log.info('partitions of the stream are assigned', { stream, generation, kept, taken })
    },
    gap: ({ topic, partition, reason, wanted, logStart, logEnd }) => {
      gaps[reason].add(reason === 'log_start_moved' ? logStart - wanted : wanted - logEnd)
      log.error(
        reason === 'log_start_moved'
          ? 'records were deleted before they were read: raise the retention of the topic, or run more gateways'
          : 'the topic is shorter than it was: made anew, or its leader lost records; it is read from what there is',
        { stream, topic, partition, wanted, logStart, logEnd },
      )
    },
    unreadable: ({ topic, partition, offset, end, error }) => {
      damaged.add(end - offset)
      log.error('records of the topic cannot be read and are stepped over', { stream, topic, partition, offset, end, error: error.message })
    },
    foreign: records => {
      alien.add(records)
      log.error('records of the topic were not written by a gateway, or are damaged, and are stepped over', { stream, records })
    },
    strange: ({ topic, partition }, offset) =>
      log.error(
        'the group has committed an offset without the checkpoint of a stream: reading begins there, and what was sent may be sent again',
        {
          stream,
          topic,
          partition,
          offset,
        },
      ),
    failing: error => log.error('Kafka cannot be reached; it is tried again', { stream, error: error.message }),
    recovered: () => log.info('Kafka can be reached again', { stream }),
  }
}
