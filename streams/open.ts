/** From the `streams:` section to streams. Nothing is opened before a task runs. */
import { join } from 'node:path'
import { readKafkaConnection } from '../config/kafka.js'
import { realFiles } from '../storage/index.js'
import type { Driver } from './driver.js'
import { EmbeddedDriver } from './embedded/driver.js'
import { KeyedStream } from './engine/keyed_stream.js'
import type { Ports } from './ports.js'
import type { StreamOptions, StreamsSection } from './settings.js'
import type { Stream, Streams } from './stream.js'

const embeddedDriver = (stream: string, options: Extract<StreamOptions, { driver: 'embedded' }>, ports: Ports): Driver => {
  const { partitions, fsync, max_size: maxSize, sync_interval: syncInterval } = options
  return new EmbeddedDriver(
    realFiles,
    { stream, directory: join(options.directory, stream), partitions, fsync, maxSize, syncInterval },
    ports,
  )
}

/** Kafka's own default of max.message.bytes. */
const MAX_MESSAGE_BYTES = 1_048_588
/** Most that a record takes on the topic beside its value: the key, its headers, those of a batch. */
const MAX_RECORD_OVERHEAD = 66 * 1024

/** Who has no Kafka does not load its client: 15 MB of memory. */
const kafkaDriver = async (stream: string, options: Extract<StreamOptions, { driver: 'kafka' }>, ports: Ports): Promise<Driver> => {
  const [{ connect }, { KafkaDriver }] = await Promise.all([import('../kafka/index.js'), import('./kafka/driver.js')])
  const topic = options.topic ?? `ai_factory_${stream}`
  return new KafkaDriver(
    connect(await readKafkaConnection(options), ports),
    {
      stream,
      topic,
      partitions: options.partitions,
      replication: options.replication_factor,
      topicConfig: {
        // The broker's clock is the only one (rule 3), and of a key every record counts.
        'message.timestamp.type': 'LogAppendTime',
        'cleanup.policy': 'delete',
        'retention.ms': String(options.retention),
      },
      topicLeast: { 'max.message.bytes': Math.max(MAX_MESSAGE_BYTES, options.max_record_bytes + MAX_RECORD_OVERHEAD) },
      retention: options.retention,
      group: options.group_id ?? topic,
      instanceId: options.group_instance_id,
      sessionTimeout: options.session_timeout,
      produceTimeout: options.produce_timeout,
      fetchBytes: options.max_fetch_size,
      syncInterval: options.sync_interval,
      exactlyOnce: options.exactly_once,
    },
    ports,
  )
}

const openStream = (name: string, options: StreamOptions, ports: Ports): Stream =>
  new KeyedStream(
    {
      stream: name,
      tick: options.tick,
      commitInterval: options.commit_interval,
      maxInFlightBytes: options.max_in_flight_bytes,
      maxRecordBytes: options.max_record_bytes,
      onUnavailable: options.on_unavailable,
    },
    async () => (options.driver === 'kafka' ? kafkaDriver(name, options, ports) : embeddedDriver(name, options, ports)),
    ports,
  )

/** The streams of a configuration; each is opened when its task runs and closed when that stops. */
export const openStreams = (section: StreamsSection, ports: Ports): Streams => {
  const streams = new Map(Object.entries(section).map(([name, options]) => [name, openStream(name, options, ports)]))
  const shared = Object.keys(section).find(name => section[name]!.driver === 'kafka')
  return {
    mine: key => shared === undefined || streams.get(shared)!.owns(key),
    get: name => {
      const stream = streams.get(name)
      if (!stream) throw new Error(`there is no stream "${name}" under streams:, only ${[...streams.keys()].join(', ')}`)
      return stream
    },
  }
}
