/** A correlated event that says nothing but what a test wants it to. */
import { type CorrelatedEvent, SCHEMA_VERSION } from '../events/event.js'

export const bareEvent = (change: Partial<CorrelatedEvent> = {}): CorrelatedEvent => ({
  id: new Uint8Array(16),
  schemaVersion: SCHEMA_VERSION,
  workloadId: 'prod/chat/llama',
  workloadSource: 'k8s.pod',
  workloadConfidence: 'derived',
  windowStartMs: 1_700_000_000_000,
  windowLengthMs: 10_000,
  flags: [],
  headlineSource: 'engine_metrics',
  tokens: [],
  requests: [],
  exemplars: [],
  gpuTime: [],
  tenants: [],
  slo: [],
  ...change,
})
