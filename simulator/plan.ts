/** What stands in the simulated factory, as data. Rates and durations are those of a real one; a speed factor divides every duration. */

export interface GpuSpec {
  model: string
  idleWatts: number
  maxWatts: number
  memoryMiB: number
}

export interface EngineSpec {
  /** Requests that run at once, at most (vLLM's max_num_seqs). */
  maxSequences: number
  /** Tokens that fit the KV cache. */
  kvTokens: number
  prefillTokensPerSecond: number
  /** Time of one decode step: base + perSequence x running sequences, seconds. */
  decodeBase: number
  decodePerSequence: number
}

export interface Deployment {
  namespace: string
  name: string
  model: string
  replicas: number
  gpusPerReplica: number
  engine: EngineSpec
  /** Mean arrivals a second over all replicas; it swings by `swing` (0..1) over `period` seconds. */
  requestsPerSecond: number
  swing: number
  period: number
  /** Median tokens; part of the prompt that the prefix cache holds, on average. */
  promptTokens: number
  outputTokens: number
  cachedPart: number
  /** Part of the requests that their clients give up on. */
  aborted: number
  /** service.name of the callers. */
  client: string
}

export interface Plan {
  seed: number
  /** 20: an hour of the factory in three minutes. */
  speed: number
  gpu: GpuSpec
  gpusPerNode: number
  /** GPUs that nobody owns. */
  idleGpus: number
  /** Customers on whose behalf clients call; the first ones call most. */
  tenants: number
  deployments: readonly Deployment[]
}

const H100: GpuSpec = { model: 'NVIDIA H100 80GB HBM3', idleWatts: 72, maxWatts: 700, memoryMiB: 81_559 }
const LARGE: EngineSpec = {
  maxSequences: 64,
  kvTokens: 260_000,
  prefillTokensPerSecond: 9_000,
  decodeBase: 0.022,
  decodePerSequence: 0.0003,
}
const SMALL: EngineSpec = {
  maxSequences: 128,
  kvTokens: 420_000,
  prefillTokensPerSecond: 28_000,
  decodeBase: 0.009,
  decodePerSequence: 0.00012,
}

export const defaultPlan = (seed = 1, speed = 1): Plan => ({
  seed,
  speed,
  gpu: H100,
  gpusPerNode: 8,
  idleGpus: 2,
  tenants: 40,
  deployments: [
    {
      namespace: 'inference',
      name: 'chat-llama-70b',
      model: 'meta-llama/Llama-3.1-70B-Instruct',
      replicas: 2,
      gpusPerReplica: 4,
      engine: LARGE,
      requestsPerSecond: 3,
      swing: 0.5,
      period: 120,
      promptTokens: 900,
      outputTokens: 220,
      cachedPart: 0.35,
      aborted: 0.01,
      client: 'assistant',
    },
    {
      namespace: 'inference',
      name: 'code-qwen-32b',
      model: 'Qwen/Qwen2.5-Coder-32B-Instruct',
      replicas: 1,
      gpusPerReplica: 2,
      engine: LARGE,
      requestsPerSecond: 1.2,
      swing: 0.3,
      period: 90,
      promptTokens: 2_400,
      outputTokens: 160,
      cachedPart: 0.6,
      aborted: 0.03,
      client: 'ide-plugin',
    },
    {
      namespace: 'search',
      name: 'rerank-llama-8b',
      model: 'meta-llama/Llama-3.1-8B-Instruct',
      replicas: 2,
      gpusPerReplica: 1,
      engine: SMALL,
      requestsPerSecond: 6,
      swing: 0.7,
      period: 60,
      promptTokens: 700,
      outputTokens: 40,
      cachedPart: 0.1,
      aborted: 0,
      client: 'search-api',
    },
  ],
})
