import { decodeEvents, eventsBatch } from '../../proto/events/codec.js'
import { component } from '../../runtime/component.js'
import { refusingUnreadable } from '../../runtime/errors.js'
import { Assessor } from './assess.js'
import { options } from './options.js'

export default component({
  kind: 'processor',
  type: 'efficiency',
  summary:
    'Works out what each window of a workload cost, in money and energy, by tenant, and what came of it. Stands behind workload_join.',
  stability: 'alpha',
  signals: ['events'],
  config: options,
  examples: {
    'Without prices: energy for each token, device time by what it went into': '{}\n',
    'Two kinds of GPUs, a building and its grid': [
      'prices:',
      '  - {gpu: "NVIDIA H100*", per_gpu_hour: 2.80, source: contract, idle_power: 70}',
      '  - {gpu: "NVIDIA B200*", per_gpu_hour: 5.10, source: contract, idle_power: 140}',
      'pue: 1.2',
      'host_power_per_gpu: 250',
      'carbon_intensity: 400',
      '',
    ].join('\n'),
    'Idle time is charged to tenants, and how well a model uses its GPUs': [
      'prices:',
      '  - {gpu: "*", per_gpu_hour: 3.20, source: amortised, peak_flops: 989e12}',
      'idle: proportional',
      'models:',
      '  - {workload: "prod/inference/llama-70b*", active_parameters: 70e9}',
      '',
    ].join('\n'),
  },
  create(config, { next }) {
    const assessor = new Assessor(config)
    return {
      async consume(batch) {
        const events = refusingUnreadable('bad_data', () => decodeEvents(batch), 'unreadable correlated events: ')
        const assessed = events.map(event => assessor.assess(event))
        return next(assessed.some((event, at) => event !== events[at]) ? eventsBatch(assessed, batch.metadata) : batch)
      },
    }
  },
})
