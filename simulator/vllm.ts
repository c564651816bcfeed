/** What a vLLM server prints. Names, types and labels: vllm-project/vllm v0.26.0 vllm/v1/metrics/loggers.py as the Python client exposes them. */
import type { Family } from '../proto/exposition/read.js'
import type { Engine } from './engine.js'
import { FINISHES } from './engine.js'
import type { Histogram } from './histogram.js'

type Labels = Record<string, string>
const labelList = (labels: Labels) => Object.entries(labels).map(([name, value]) => ({ name, value }))

export const vllmFamilies = (engine: Engine, model: string, createdAt: number): Family[] => {
  const base = { engine: '0', model_name: model }
  const gauge = (name: string, help: string, value: number): Family => ({
    name: `vllm:${name}`,
    type: 'gauge',
    help,
    samples: [{ name: `vllm:${name}`, labels: labelList(base), value }],
  })
  const created = (name: string, labels: Labels) => ({ name: `vllm:${name}_created`, labels: labelList(labels), value: createdAt / 1000 })
  // The Python client prints a family for the counter and one of gauges for `_created`; text format knows no better.
  const counter = (name: string, help: string, values: readonly [Labels, number][]): Family[] => [
    {
      name: `vllm:${name}_total`,
      type: 'counter',
      help,
      samples: values.map(([labels, value]) => ({ name: `vllm:${name}_total`, labels: labelList({ ...base, ...labels }), value })),
    },
    { name: `vllm:${name}_created`, type: 'gauge', help, samples: values.map(([labels]) => created(name, { ...base, ...labels })) },
  ]
  const histogram = (name: string, help: string, it: Histogram): Family[] => {
    let cumulative = 0
    const buckets = it.counts.map((count, index) => {
      cumulative += count
      return { name: `vllm:${name}_bucket`, labels: labelList({ ...base, le: String(it.bounds[index] ?? '+Inf') }), value: cumulative }
    })
    return [
      {
        name: `vllm:${name}`,
        type: 'histogram',
        help,
        samples: [
          ...buckets,
          { name: `vllm:${name}_count`, labels: labelList(base), value: it.count },
          { name: `vllm:${name}_sum`, labels: labelList(base), value: it.sum },
        ],
      },
      { name: `vllm:${name}_created`, type: 'gauge', help, samples: [created(name, base)] },
    ]
  }
  return [
    gauge('num_requests_running', 'Number of requests in model execution batches.', engine.running.length),
    gauge('num_requests_waiting', 'Number of requests waiting to be processed.', engine.waiting.length),
    gauge('kv_cache_usage_perc', 'KV-cache usage. 1 means 100 percent usage.', engine.kvUsed / engine.spec.kvTokens),
    ...counter('num_preemptions', 'Cumulative number of preemption from the engine.', [[{}, engine.preemptions]]),
    ...counter('prompt_tokens', 'Number of prefill tokens processed.', [[{}, engine.promptTokens]]),
    ...counter('generation_tokens', 'Number of generation tokens processed.', [[{}, engine.generatedTokens]]),
    ...counter('prompt_tokens_cached', 'Number of prompt tokens served from the prefix cache.', [[{}, engine.cachedTokens]]),
    ...counter(
      'request_success',
      'Count of successfully processed requests.',
      FINISHES.map(reason => [{ finished_reason: reason }, engine.finished[reason]] as [Labels, number]),
    ),
    ...histogram('time_to_first_token_seconds', 'Histogram of time to first token in seconds.', engine.timeToFirstToken),
    ...histogram('inter_token_latency_seconds', 'Histogram of inter-token latency in seconds.', engine.interToken),
    ...histogram('e2e_request_latency_seconds', 'Histogram of e2e request latency in seconds.', engine.requestTime),
    ...histogram('request_queue_time_seconds', 'Histogram of time spent in WAITING phase for request.', engine.queueTime),
    ...histogram('request_prefill_time_seconds', 'Histogram of time spent in PREFILL phase for request.', engine.prefillTime),
    ...histogram('request_decode_time_seconds', 'Histogram of time spent in DECODE phase for request.', engine.decodeTime),
  ]
}
