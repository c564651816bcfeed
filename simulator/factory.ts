/** The factory: deployments of engines on GPUs on nodes, arrivals, and fixed steps of time, so that a seed repeats it whatever the timers do. */
import { Engine, FINISHES, type Finish, type Running } from './engine.js'
import { Gpu } from './gpu.js'
import type { Deployment, EngineSpec, Plan } from './plan.js'
import { Random } from './random.js'

/** Factory milliseconds of one step; at a speed factor the step shrinks with every other duration, so that a seed's story stays the same. */
const STEP_MS = 10
/** Time to the first token that config/examples/demo.yaml promises. */
const PROMISED_SECONDS = 0.5

export interface Replica {
  deployment: Deployment
  pod: string
  host: string
  engine: Engine
  gpus: Gpu[]
}

/** What truly happened at one workload since the factory opened: to be compared with what the gateway says. */
export interface Books {
  requests: Record<Finish, number>
  promptTokens: number
  cachedTokens: number
  generatedTokens: number
  joules: number
  gpus: number
  spans: number
  /** Requests that their clients did not give up, and those of them with a first token within PROMISED_SECONDS. */
  eligible: number
  good: number
  /** Of finished requests. */
  tenants: Map<string, TenantBook>
}

export interface TenantBook {
  requests: number
  input: number
  output: number
}

export class Factory {
  readonly replicas: Replica[] = []
  readonly nodes = new Map<string, Gpu[]>()
  private readonly random: Random
  private readonly nextArrival = new Map<Deployment, number>()
  private readonly spans = new Map<Deployment, number>()
  private readonly tenants = new Map<Deployment, Map<string, TenantBook>>()
  private readonly judged = new Map<Deployment, { eligible: number; good: number }>()
  private steps = 0
  /** Wall milliseconds of one step. */
  private readonly stepMs: number
  /** While false nobody calls; what runs is finished. */
  open = true

  /** `startedAt`: wall clock, milliseconds. `finished` hears of every request when it ends. */
  constructor(
    readonly plan: Plan,
    readonly startedAt: number,
    private readonly finished: (replica: Replica, request: Running) => void,
  ) {
    this.random = new Random(plan.seed)
    this.stepMs = STEP_MS / plan.speed
    for (const deployment of plan.deployments) this.deploy(deployment)
    for (let i = 0; i < plan.idleGpus; i++) this.addGpu(undefined)
  }

  private deploy(deployment: Deployment): void {
    const { speed } = this.plan
    this.nextArrival.set(deployment, this.gap(deployment, 0))
    const hash = this.random.text(9, 'bcdfghjklmnpqrstvwxz2456789')
    for (let i = 0; i < deployment.replicas; i++) {
      const pod = `${deployment.name}-${hash}-${this.random.text(5, 'bcdfghjklmnpqrstvwxz2456789')}`
      const owner = { namespace: deployment.namespace, pod, container: 'vllm' }
      const gpus = Array.from({ length: deployment.gpusPerReplica }, () => this.addGpu(owner))
      this.replicas.push({ deployment, pod, host: gpus[0]!.host, engine: new Engine(faster(deployment.engine, speed)), gpus })
    }
  }

  private addGpu(owner: Gpu['owner']): Gpu {
    const all = [...this.nodes.values()].reduce((sum, gpus) => sum + gpus.length, 0)
    const host = `gpu-node-${Math.floor(all / this.plan.gpusPerNode) + 1}`
    const hex = (length: number) => this.random.text(length, '0123456789abcdef')
    const uuid = `GPU-${hex(8)}-${hex(4)}-${hex(4)}-${hex(4)}-${hex(12)}`
    const gpu = new Gpu(this.plan.gpu, all % this.plan.gpusPerNode, uuid, host, owner, this.plan.speed)
    this.nodes.set(host, [...(this.nodes.get(host) ?? []), gpu])
    return gpu
  }

  /** Wall milliseconds since the start. */
  private get elapsed(): number {
    return this.steps * this.stepMs
  }

  /** Moves on to `now` (wall clock, milliseconds) in whole steps. */
  advance(now: number): void {
    while (this.startedAt + this.elapsed + this.stepMs <= now) this.step()
  }

  private step(): void {
    this.steps++
    const at = this.startedAt + this.elapsed
    for (const deployment of this.plan.deployments) this.arrive(deployment, at)
    for (const replica of this.replicas) {
      for (const request of replica.engine.step(this.stepMs / 1000, at)) {
        this.spans.set(replica.deployment, (this.spans.get(replica.deployment) ?? 0) + 2)
        this.bookTenant(replica.deployment, request)
        this.judge(replica.deployment, request)
        this.finished(replica, request)
      }
      for (const gpu of replica.gpus) gpu.step(this.stepMs / 1000, replica.engine)
    }
    for (const gpus of this.nodes.values()) for (const gpu of gpus) if (!gpu.owner) gpu.step(this.stepMs / 1000, undefined)
  }

  private bookIdle(book: Books, gpu: Gpu): void {
    book.joules += gpu.joules
    book.gpus++
  }

  private judge(deployment: Deployment, { finish, arrivedAt, firstTokenAt }: Running): void {
    if (finish === 'abort') return
    const { eligible, good } = this.judged.get(deployment) ?? { eligible: 0, good: 0 }
    const met = (firstTokenAt - arrivedAt) / 1000 <= PROMISED_SECONDS
    this.judged.set(deployment, { eligible: eligible + 1, good: good + (met ? 1 : 0) })
  }

  private bookTenant(deployment: Deployment, { tenant, promptTokens, generated }: Running): void {
    let books = this.tenants.get(deployment)
    if (!books) this.tenants.set(deployment, (books = new Map()))
    const book = books.get(tenant) ?? { requests: 0, input: 0, output: 0 }
    books.set(tenant, { requests: book.requests + 1, input: book.input + promptTokens, output: book.output + generated })
  }

  private arrive(deployment: Deployment, at: number): void {
    let due = this.nextArrival.get(deployment)!
    for (; due <= this.elapsed; due += this.gap(deployment, due)) if (this.open) this.call(deployment, at)
    this.nextArrival.set(deployment, due)
  }

  private gap({ requestsPerSecond, swing, period }: Deployment, elapsedMs: number): number {
    const factorySeconds = (elapsedMs / 1000) * this.plan.speed
    const rate = requestsPerSecond * (1 + swing * Math.sin((2 * Math.PI * factorySeconds) / period))
    return (this.random.exponential(1 / Math.max(rate, requestsPerSecond * 0.05)) * 1000) / this.plan.speed
  }

  /** A client calls; the router picks the replica with the least to do. */
  private call(deployment: Deployment, arrivedAt: number): void {
    const { random } = this
    const promptTokens = Math.max(8, Math.min(16_000, Math.round(random.lognormal(deployment.promptTokens, 0.6))))
    const cached = Math.min(1, Math.max(0, deployment.cachedPart * 2 * random.next()))
    const wanted = Math.max(2, Math.round(random.lognormal(deployment.outputTokens, 0.7)))
    const aborted = random.next() < deployment.aborted
    const full = wanted > 1024
    const load = ({ engine }: Replica) => engine.running.length + engine.waiting.length
    const replicas = this.replicas.filter(replica => replica.deployment === deployment)
    const replica = replicas.reduce((least, each) => (load(each) < load(least) ? each : least))
    replica.engine.submit({
      id: random.text(24, '0123456789abcdef'),
      tenant: `tenant-${Math.floor(this.plan.tenants * random.next() ** 2)}`,
      arrivedAt,
      promptTokens,
      // vLLM's prefix cache holds whole blocks of 16 tokens, never the whole prompt.
      cachedTokens: Math.min(promptTokens - 1, Math.floor((promptTokens * cached) / 16) * 16),
      outputTokens: aborted ? Math.max(2, Math.floor(Math.min(wanted, 1024) * random.next())) : Math.min(wanted, 1024),
      finish: aborted ? 'abort' : full ? 'length' : 'stop',
    })
  }

  /** Nothing runs, nothing waits. */
  get quiet(): boolean {
    return this.replicas.every(({ engine }) => engine.idle)
  }

  /** `<namespace>/<name>` → books; `unallocated` for GPUs nobody owns. */
  books(): Map<string, Books> {
    const books = new Map<string, Books>()
    const of = (name: string) => {
      let entry = books.get(name)
      if (!entry)
        books.set(
          name,
          (entry = {
            requests: { stop: 0, length: 0, abort: 0 },
            promptTokens: 0,
            cachedTokens: 0,
            generatedTokens: 0,
            joules: 0,
            gpus: 0,
            spans: 0,
            eligible: 0,
            good: 0,
            tenants: new Map(),
          }),
        )
      return entry
    }
    for (const { deployment, engine, gpus } of this.replicas) {
      const entry = of(`${deployment.namespace}/${deployment.name}`)
      for (const finish of FINISHES) entry.requests[finish] += engine.finished[finish]
      entry.promptTokens += engine.promptTokens
      entry.cachedTokens += engine.cachedTokens
      entry.generatedTokens += engine.generatedTokens
      for (const gpu of gpus) entry.joules += gpu.joules
      entry.gpus += gpus.length
      entry.spans = this.spans.get(deployment) ?? 0
      entry.tenants = this.tenants.get(deployment) ?? new Map()
      Object.assign(entry, this.judged.get(deployment))
    }
    for (const gpus of this.nodes.values()) for (const gpu of gpus) if (!gpu.owner) this.bookIdle(of('unallocated'), gpu)
    return books
  }
}

const faster = (spec: EngineSpec, speed: number): EngineSpec => ({
  ...spec,
  prefillTokensPerSecond: spec.prefillTokensPerSecond * speed,
  decodeBase: spec.decodeBase / speed,
  decodePerSequence: spec.decodePerSequence / speed,
})
