/** The Collector's exporter keys: `timeout`, `retry_on_failure`, `sending_queue`. */
import { z } from 'zod'
import { byteSize, duration } from '../../config/options.js'

const count = (least: number, preset: number) => z.int().min(least).default(preset)

export const batchOptions = z
  .strictObject({
    flush_timeout: duration('200ms').describe('Longest time a request waits for company before it is sent as it is.'),
    min_size: count(0, 8192).describe('A merged request is sent as soon as it has this size; 0 never waits.'),
    max_size: count(0, 0).describe('No merged request is larger; larger ones are cut. 0 = no limit.'),
    sizer: z.enum(['items', 'bytes']).default('items').describe('What min_size and max_size count.'),
  })
  .refine(batch => batch.max_size === 0 || batch.max_size >= batch.min_size, {
    error: 'max_size must be 0 (no limit) or at least min_size',
    path: ['max_size'],
  })
export type BatchOptions = z.infer<typeof batchOptions>

const sendingQueue = (consumers: number) =>
  z
    .strictObject({
      enabled: z
        .boolean()
        .default(true)
        .describe('Whether requests queue at all. Without a queue each caller’s request is sent at once, whatever else is being sent.'),
      num_consumers: count(1, consumers).describe('Requests being sent at the same time.'),
      queue_size: count(1, 1000).describe(
        'Most that is held without the backend’s acknowledgement, counted by `sizer`, what is being sent included.',
      ),
      sizer: z.enum(['requests', 'items', 'bytes']).default('requests').describe('What queue_size counts.'),
      max_bytes: byteSize('128MiB').describe('Most bytes held without the backend’s acknowledgement, whatever `sizer` says.'),
      on_full: z
        .enum(['block', 'drop'])
        .optional()
        .describe(
          'At the bound: `block` (the default) makes the caller wait; `drop` acknowledges to the caller, drops, and counts what it dropped.',
        ),
      block_on_overflow: z.boolean().optional().describe('The Collector’s spelling: true = `on_full: block`, false = `on_full: drop`.'),
      batch: batchOptions.optional().describe('Merges queued requests before they are sent; absent = each is sent as it came.'),
    })
    .refine(queue => queue.on_full === undefined || queue.block_on_overflow === undefined, {
      error: 'on_full and block_on_overflow say the same thing twice: keep one',
      path: ['block_on_overflow'],
    })
export const sendingQueueOptions = sendingQueue(10)
export type SendingQueueOptions = z.infer<typeof sendingQueueOptions>

export const retryOptions = z
  .strictObject({
    enabled: z.boolean().default(true).describe('Whether a refused or failed request is sent again at all.'),
    initial_interval: duration('5s').describe('Wait before the second attempt.'),
    randomization_factor: z.number().min(0).max(1).default(0.5).describe('Each wait is spread by this fraction of itself, both ways.'),
    multiplier: z.number().min(1).default(1.5).describe('Each wait is this many times the one before.'),
    max_interval: duration('30s').describe('Longest wait between two attempts, unless the backend asks for a longer one.'),
    max_elapsed_time: duration('300s').describe('After this time the request is given back to its sender as undelivered; 0 = never.'),
  })
  .refine(retry => retry.max_interval > 0 && retry.initial_interval > 0, { error: 'initial_interval and max_interval must be above 0' })
export type RetryOptions = z.infer<typeof retryOptions>

/** The keys of an exporter that sends over a network; spread into its options. `consumers`: 1 for a backend that wants everything in order. */
export const deliveryOptions = (timeout: string, { consumers = 10 } = {}) => ({
  timeout: duration(timeout).describe('Longest time one attempt may take; 0 = no limit.'),
  retry_on_failure: retryOptions.prefault({}).describe('How a request that failed is sent again.'),
  sending_queue: sendingQueue(consumers).prefault({}).describe('What is held, in memory, until the backend has acknowledged it.'),
})
export interface DeliveryOptions {
  readonly timeout: number
  readonly retry_on_failure: RetryOptions
  readonly sending_queue: SendingQueueOptions
}

/** For exporters that need neither queue nor retry: their backend is this machine. */
export const IMMEDIATE: DeliveryOptions = {
  timeout: 0,
  retry_on_failure: retryOptions.parse({ enabled: false }),
  sending_queue: sendingQueueOptions.parse({ enabled: false }),
}
