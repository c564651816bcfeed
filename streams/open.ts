/** From the `streams:` section to streams. Nothing is opened before a task runs. */
import { join } from 'node:path'
import { realFiles } from '../storage/index.js'
import { EmbeddedDriver } from './embedded/driver.js'
import { KeyedStream } from './engine/keyed_stream.js'
import type { Ports } from './ports.js'
import type { StreamOptions, StreamsSection } from './settings.js'
import type { Stream, Streams } from './stream.js'

const openStream = (name: string, options: StreamOptions, ports: Ports): Stream => {
  const directory = join(options.directory, name)
  const { partitions, fsync, max_size: maxSize, sync_interval: syncInterval } = options
  return new KeyedStream(
    {
      stream: name,
      tick: options.tick,
      commitInterval: options.commit_interval,
      maxInFlightBytes: options.max_in_flight_bytes,
      maxRecordBytes: options.max_record_bytes,
      onUnavailable: options.on_unavailable,
    },
    () => new EmbeddedDriver(realFiles, { stream: name, directory, partitions, fsync, maxSize, syncInterval }, ports),
    ports,
  )
}

/** The streams of a configuration; each is opened when its task runs and closed when that stops. */
export const openStreams = (section: StreamsSection, ports: Ports): Streams => {
  const streams = new Map(Object.entries(section).map(([name, options]) => [name, openStream(name, options, ports)]))
  return {
    get: name => {
      const stream = streams.get(name)
      if (!stream) throw new Error(`there is no stream "${name}" under streams:, only ${[...streams.keys()].join(', ')}`)
      return stream
    },
  }
}
