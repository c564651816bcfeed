/** Keyed, durable, event-time streams (docs/stream.md has the rules). Knows keys, times and bytes, and no telemetry. */
import type { Streams } from './stream.js'

export type { Entry, Handler, Moment, Release, StreamRecord, Windowing } from './handler.js'
export { openStreams } from './open.js'
export { type StreamOptions, type StreamsSection, streamOptions, streamsSection, windowingProblem } from './settings.js'
export { type Appended, Refusal, type Running, type Stream, type Streams, type Task, TooLarge } from './stream.js'

/** By this a component finds the streams in its host. */
export const STREAMS = { name: 'streams' } as { readonly name: string; readonly type: Streams }
