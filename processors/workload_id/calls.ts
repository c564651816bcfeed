/** Which workload a client span calls: rules in order, the first that yields an id wins. */
import type { Confidence, Defaults } from './rules.js'
import type { Facts } from './spellings.js'
import type { Tables } from './tables.js'

export interface CallRule {
  /** Written as `ai_factory.workload.source`. */
  source: string
  confidence: Confidence
  /** The id, or for people why there is none. */
  answer(facts: Facts, tables: Tables, defaults: Defaults): { id: string } | { why: string }
}

const addressOf = (facts: Facts): string | undefined => facts.attribute('server.address') ?? facts.attribute('net.peer.name')
const portOf = (facts: Facts): string | undefined => facts.attribute('server.port') ?? facts.attribute('net.peer.port')
const NO_ADDRESS = 'needs server.address'

const target: CallRule = {
  source: 'target',
  confidence: 'exact',
  answer(facts, tables) {
    const address = addressOf(facts)
    if (address === undefined) return { why: NO_ADDRESS }
    const port = portOf(facts)
    const id = tables.target(address, port)
    return id === undefined ? { why: `no entry of the targets table matches ${address}${port === undefined ? '' : `:${port}`}` } : { id }
  },
}

const kubernetesService: CallRule = {
  source: 'kubernetes_service',
  confidence: 'derived',
  answer(facts, _, defaults) {
    const address = addressOf(facts)
    if (address === undefined) return { why: NO_ADDRESS }
    const service = /^([a-z0-9-]+)\.([a-z0-9-]+)\.svc(?:\.|$)/.exec(address)
    if (!service) return { why: `${address} is no <service>.<namespace>.svc` }
    return { id: `${facts.get('cluster') ?? defaults.cluster}/${service[2]}/${service[1]}` }
  },
}

const modelTable: CallRule = {
  source: 'model_table',
  confidence: 'derived',
  answer(facts, tables) {
    const model = facts.get('model')
    if (model === undefined) return { why: 'needs gen_ai.request.model' }
    const id = tables.serving(model)
    if (id !== undefined) return { id }
    return {
      why: `${tables.ambiguous(model) ? 'several entries' : 'no entry'} of the workloads table ${tables.ambiguous(model) ? 'serve' : 'serves'} ${model}`,
    }
  },
}

export const CALL_RULES: readonly CallRule[] = [target, kubernetesService, modelTable]
