/** Finds the workload of every span, data point and log record, and writes its id on their resource. */
import { SIGNALS } from '../../proto/batch.js'
import { type Consumer, component, type Upstream } from '../../runtime/component.js'
import { Assigner } from './assign.js'
import type { Unresolved } from './known.js'
import { type Options, options } from './options.js'
import { Resolver } from './resolver.js'
import { TableFiles } from './tables.js'

const create = (config: Options, { clock, log, meter, next }: Upstream): Consumer => {
  const unresolved = (reason: Unresolved) =>
    meter.counter('ai_factory_gateway_unresolved', 'Items that belong to no workload, by reason. They are passed on.', { reason })
  const counters: Record<Unresolved, ReturnType<typeof unresolved>> = {
    no_workload: unresolved('no_workload'),
    no_target: unresolved('no_target'),
  }
  const assigner = () => new Assigner(new Resolver(files.current, config), files.current, (reason, items) => counters[reason].add(items))
  const files = new TableFiles(config, clock, log, () => {
    current = assigner()
  })
  let current = assigner()
  return {
    start: async () => files.watch(),
    stop: async () => files.close(),
    consume: async batch => next(current.assign(batch)),
  }
}

export default component({
  kind: 'processor',
  type: 'workload_id',
  summary: 'Finds the workload of every span, data point and log record, and writes its id on their resource.',
  stability: 'beta',
  signals: SIGNALS.filter(signal => signal !== 'events'),
  config: options,
  examples: {
    'One cluster, derived ids': 'cluster: eu-west-1\n',
    'Own ids and a client-side target': `
workloads:
  - id: chat
    match: { k8s.namespace.name: inference, k8s.deployment.name: chat-* }
  - id: chat
    match: { namespace: inference, pod: chat-* }
targets:
  - { address: 'llm.example.com:443', workload: chat }
`,
    'A table kept by somebody else, read again when it changes': 'table_files: []\nrefresh_interval: 10s\n',
  },
  create,
})
