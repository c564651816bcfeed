import { z } from 'zod'
import { duration } from '../../config/options.js'
import { SIGNALS } from '../../proto/batch.js'
import { component } from '../../runtime/component.js'
import { Gate, Merging, Shutdown } from '../../runtime/delivery/index.js'

const count = (preset: number) => z.int().min(0).default(preset)

const options = z
  .strictObject({
    timeout: duration('200ms').describe('Longest time a request waits for company before it is passed on as it is; 0 never waits.'),
    send_batch_size: count(8192).describe('Items (spans, data points, log records) that make a batch leave at once; 0 never waits.'),
    send_batch_max_size: count(0).describe('No batch has more items; larger ones are cut. 0 = no limit.'),
    metadata_keys: z
      .array(z.string())
      .default([])
      .describe('Facts about a request (`transport`) whose values must not be mixed in one batch.'),
  })
  .refine(it => it.send_batch_max_size === 0 || it.send_batch_max_size >= it.send_batch_size, {
    error: 'send_batch_max_size must be 0 (no limit) or at least send_batch_size',
    path: ['send_batch_max_size'],
  })

/** The Collector's boundaries of the batch size histogram. */
const SIZES = [
  10, 25, 50, 75, 100, 250, 500, 750, 1_000, 2_000, 3_000, 4_000, 5_000, 6_000, 7_000, 8_000, 9_000, 10_000, 20_000, 30_000, 50_000,
  100_000,
]

export default component({
  kind: 'processor',
  type: 'batch',
  summary: 'Merges small requests into larger ones; each sender is answered when the batch its request went into was delivered.',
  stability: 'beta',
  signals: SIGNALS,
  config: options,
  examples: {
    'With its defaults': '{}\n',
    'Batches of 1,000 to 2,000 items, at least one a second': 'timeout: 1s\nsend_batch_size: 1000\nsend_batch_max_size: 2000\n',
  },
  create(config, { id, meter, clock, next }) {
    const labels = { processor: id }
    const size = meter.histogram('otelcol_processor_batch_batch_send_size', 'Number of units in the batch [Development]', SIZES, labels)
    const by = {
      size: meter.counter(
        'otelcol_processor_batch_batch_size_trigger_send',
        'Number of times the batch was sent due to a size trigger [Development]',
        labels,
      ),
      timeout: meter.counter(
        'otelcol_processor_batch_timeout_trigger_send',
        'Number of times the batch was sent due to a timeout trigger [Development]',
        labels,
      ),
    }
    const shutdown = new Shutdown()
    const merging = new Merging(
      {
        flush_timeout: config.timeout,
        min_size: config.send_batch_size,
        max_size: config.send_batch_max_size,
        sizer: 'items',
      },
      { merged: next, single: next },
      {
        clock,
        shutdown,
        apart: config.metadata_keys,
        onFlush: (batch, why) => {
          size.record(batch.items)
          by[why].add(1)
        },
      },
    )
    meter.gauge(
      'otelcol_processor_batch_metadata_cardinality',
      'Number of distinct metadata value combinations being processed [Development]',
      labels,
      () => merging.kinds,
    )
    const gate = new Gate(merging.consume, shutdown)
    return {
      consume: gate.consume,
      start: async () => shutdown.reset(),
      stop: async deadline => {
        shutdown.begin(deadline)
        await gate.settled()
      },
    }
  },
})
