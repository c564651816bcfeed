import { z } from 'zod'
import { duration } from '../../config/options.js'
import { toJson } from '../../proto/json/index.js'
import { OTLP_SIGNALS } from '../../proto/services.js'
import { WireError } from '../../proto/wire.js'
import { component } from '../../runtime/component.js'
import { deliver, IMMEDIATE, type Send } from '../../runtime/delivery/index.js'
import { PermanentError, RetryableError } from '../../runtime/errors.js'
import { temporality } from '../../runtime/temporality.js'
import { LineFile } from './line-file.js'

const rotation = z.strictObject({
  max_megabytes: z
    .number()
    .positive()
    .default(100)
    .describe('The file is put aside, with the time in its name, before it grows larger than this (MiB).'),
  max_backups: z.int().min(0).default(100).describe('Files put aside that are kept; 0 = all.'),
})

const options = z.strictObject({
  path: z.string().min(1).describe('The file to write; its directory must be there.'),
  append: z.boolean().default(false).describe('Go on where the file ends; false starts it anew each time the gateway starts.'),
  rotation: rotation.optional().describe('How the file is kept from growing without end; absent = it grows.'),
  flush_interval: duration('0s').describe('Lines wait this long to be written together; senders wait with them. 0 writes at once.'),
  temporality: temporality(),
  fsync: z
    .boolean()
    .default(false)
    .describe('Acknowledge only what the disk has, not only the operating system. Costs a sync for each write.'),
})

const expired = (deadline: AbortSignal): Promise<void> =>
  new Promise(resolve => (deadline.aborted ? resolve() : deadline.addEventListener('abort', () => resolve(), { once: true })))

const FULL = new Set(['ENOSPC', 'EDQUOT'])

export default component({
  kind: 'exporter',
  type: 'file',
  summary: 'Writes telemetry to a file, one OTLP/JSON request a line.',
  stability: 'beta',
  signals: OTLP_SIGNALS,
  config: options,
  examples: {
    'A file that is put aside at 100 MiB, ten kept':
      'path: ./telemetry.jsonl\nappend: true\nrotation:\n  max_megabytes: 100\n  max_backups: 10\n',
  },
  create(config, context) {
    const { max_megabytes: megabytes, max_backups: maxBackups } = config.rotation ?? {}
    const file = new LineFile(
      {
        path: config.path,
        append: config.append,
        rotation: megabytes !== undefined && maxBackups !== undefined ? { maxBytes: megabytes * 2 ** 20, maxBackups } : undefined,
        fsync: config.fsync,
        flushInterval: config.flush_interval,
      },
      context.clock,
    )
    const send: Send = async batch => {
      try {
        await file.write(toJson(batch.signal, batch))
      } catch (error) {
        if (error instanceof WireError || error instanceof RangeError) throw new PermanentError(error.message, 'bad_data', { cause: error })
        const { code, message } = error as NodeJS.ErrnoException
        throw new RetryableError(
          `cannot write ${config.path}: ${message}`,
          code !== undefined && FULL.has(code) ? 'disk_full' : 'write_failed',
          undefined,
          { cause: error },
        )
      }
      return undefined
    }
    const delivery = deliver(IMMEDIATE, send, context)
    return {
      consume: delivery.consume,
      temporality: config.temporality,
      async start() {
        try {
          await file.open()
        } catch (error) {
          throw new Error(`cannot open ${config.path} for writing: ${(error as Error).message}`, { cause: error })
        }
        await delivery.start?.()
      },
      async stop(deadline) {
        const settled = delivery.stop?.(deadline)
        const closed = file.close()
        await settled
        await Promise.race([closed, expired(deadline)])
      },
    }
  },
})
