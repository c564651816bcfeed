/** What the metrics and the log record of one event have in common: the resource and the scope they lie in, the names of latencies. */
import { writeAttribute } from '../attribute.js'
import { GROUP, REQUEST, RESOURCE, SCOPE, SCOPE_GROUP } from '../fields.js'
import * as names from '../vocabulary/attributes.js'
import { Writer } from '../wire.js'
import type { CorrelatedEvent, LatencyName } from './event.js'

/** A Map, because names come off the wire: `valueOf` is no latency we know. */
export const LATENCY_METRICS: ReadonlyMap<LatencyName, string> = new Map([
  ['time_to_first_token', 'ai_factory.engine.time_to_first_token'],
  ['inter_token_latency', 'ai_factory.engine.inter_token_latency'],
  ['time_per_output_token', 'ai_factory.engine.time_per_output_token'],
  ['request_duration', 'ai_factory.engine.request.duration'],
  ['queue_duration', 'ai_factory.engine.queue.duration'],
  ['prefill_duration', 'ai_factory.engine.prefill.duration'],
  ['decode_duration', 'ai_factory.engine.decode.duration'],
])

const SCOPE_FIELD = new Writer(64).message(SCOPE_GROUP.scope, scope => scope.string(SCOPE.name, names.SCOPE)).finish()

/** Body of the Resource. */
export const resourceOf = ({ workloadId, workloadSource, workloadConfidence }: CorrelatedEvent): Uint8Array => {
  const writer = new Writer(256)
  writeAttribute(writer, RESOURCE.attributes, 'service.name', workloadId)
  writeAttribute(writer, RESOURCE.attributes, names.WORKLOAD_ID, workloadId)
  if (workloadSource !== '') writeAttribute(writer, RESOURCE.attributes, names.WORKLOAD_SOURCE, workloadSource)
  if (workloadConfidence !== '') writeAttribute(writer, RESOURCE.attributes, names.WORKLOAD_CONFIDENCE, workloadConfidence)
  return writer.finish()
}

/** So that a group's length is taken to have two bytes, which it nearly always has: then nothing is moved when it is filled in. */
const LIKELY_LENGTH = 1 << 13

/** Begins a ResourceMetrics or ResourceLogs; its items follow, then `endGroup`. */
export const beginGroup = (writer: Writer, resource: Uint8Array): void => {
  writer.begin(REQUEST.groups, LIKELY_LENGTH).bytes(GROUP.resource, resource).begin(GROUP.scopes, LIKELY_LENGTH).raw(SCOPE_FIELD)
}

export const endGroup = (writer: Writer): void => {
  writer.end().end()
}
