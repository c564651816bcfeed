/** The default rules, in order: the first that yields an id wins. Source of the order: what names a workload best, scheduler before guess. */
import { workloadOfPod } from './pod-name.js'
import type { Fact, Facts } from './spellings.js'

export type Confidence = 'exact' | 'derived' | 'shared' | 'unknown'

export interface Rule {
  /** Written as `ai_factory.workload.source`. */
  source: string
  confidence: Confidence
  /** Undefined: the rule does not apply. */
  id(facts: Facts, defaults: Defaults): string | undefined
  /** For people: what the rule looks for. */
  needs: string
  /** For people: why the rule does not apply although what it looks for is there. */
  unless?(facts: Facts, defaults: Defaults): string | undefined
}

/** What an attribute that is absent is read as, on every signal alike, so that ids meet. */
export interface Defaults {
  cluster: string
  namespace: string
  isExporterPod(pod: string): boolean
}

const placed = (facts: Facts, defaults: Defaults, name: string): string =>
  `${facts.get('cluster') ?? defaults.cluster}/${facts.get('namespace') ?? defaults.namespace}/${name}`

const named = (source: string, fact: Fact, needs: string): Rule => ({
  source,
  confidence: 'exact',
  needs,
  id: (facts, defaults) => {
    const name = facts.get(fact)
    return name && placed(facts, defaults, name)
  },
})

const prefixed = (source: string, prefix: string, fact: Fact, needs: string, reject: readonly string[] = []): Rule => ({
  source,
  confidence: 'exact',
  needs,
  id: facts => {
    const value = facts.get(fact)
    return value && !reject.includes(value) ? `${prefix}/${value}` : undefined
  },
  unless: facts => placeholder(facts.get(fact)),
})

const placeholder = (value: string | undefined): string | undefined => value && `"${value}" is a placeholder`
const exporters = (name: string | undefined): string | undefined =>
  name && `${name} is an exporter's own by exporter_pods: it only reports on others`

/** Not services: an SDK that was told no name, and the operator that labels every Ray pod alike. */
const NO_SERVICE = /^(unknown_service.*|kuberay)$/

export const EXPLICIT: Rule = {
  source: 'explicit',
  confidence: 'exact',
  needs: 'the attribute or label ai_factory.workload.id',
  id: facts => facts.get('explicit'),
}

/** Rules that name a scheduler's or a user's own unit; they hold for every signal. */
export const UNIT_RULES: readonly Rule[] = [
  named('kueue', 'kueueWorkload', "Kueue's workload annotation or pod-group label"),
  named('jobset', 'jobSet', 'the JobSet label'),
  named('leader_worker_set', 'leaderWorkerSet', 'the LeaderWorkerSet label'),
  named('training_job', 'trainingJob', "Kubeflow trainer's job label"),
  named('inference_service', 'inferenceService', "KServe's InferenceService label"),
  named('volcano', 'volcanoJob', "Volcano's job label"),
  named('ray', 'rayOrigin', 'the label of the RayJob or RayService that made the cluster'),
  named('ray', 'rayCluster', 'the RayCluster label'),
  named('deployment', 'deployment', 'k8s.deployment.name'),
  named('statefulset', 'statefulSet', 'k8s.statefulset.name'),
  named('cronjob', 'cronJob', 'k8s.cronjob.name'),
  named('job', 'job', 'k8s.job.name'),
  named('job', 'batchJob', "the Job's label"),
  {
    source: 'slurm',
    confidence: 'exact',
    needs: 'a Slurm job id (hpc_job, slurm.job.id, SLURM_JOB_ID, job_id)',
    id: (facts, defaults) => {
      const job = facts.get('slurmJob')
      return job && job !== '0' ? `slurm/${facts.get('slurmCluster') ?? facts.get('cluster') ?? defaults.cluster}/${job}` : undefined
    },
    unless: facts => placeholder(facts.get('slurmJob')),
  },
  {
    source: 'ray_submission',
    confidence: 'exact',
    needs: "Ray's submission id",
    id: (facts, defaults) => {
      const id = facts.get('raySubmission')
      return id && `ray/${facts.get('cluster') ?? defaults.cluster}/${id}`
    },
  },
  prefixed('torchelastic', 'run', 'torchRun', 'TORCHELASTIC_RUN_ID', ['none']),
  prefixed('mlflow', 'run', 'mlflowRun', 'MLFLOW_RUN_ID'),
  prefixed('wandb', 'run', 'wandbRun', 'WANDB_RUN_GROUP or WANDB_RUN_ID'),
  {
    source: 'pod',
    confidence: 'derived',
    needs: "a pod's name that is not an exporter's own",
    id: (facts, defaults) => {
      const pod = facts.get('pod')
      return pod && !defaults.isExporterPod(pod) ? placed(facts, defaults, workloadOfPod(pod)) : undefined
    },
    unless: facts => exporters(facts.get('pod')),
  },
  {
    source: 'daemonset',
    confidence: 'exact',
    needs: "k8s.daemonset.name that is not an exporter's own",
    id: (facts, defaults) => {
      const name = facts.get('daemonSet')
      return name && !defaults.isExporterPod(name) ? placed(facts, defaults, name) : undefined
    },
    unless: facts => exporters(facts.get('daemonSet')),
  },
]

/** Rules that may merge what is apart; never for device samples, whose service is the exporter's. */
export const LOGICAL_RULES: readonly Rule[] = [
  {
    source: 'service',
    confidence: 'derived',
    needs: 'service.name that is no placeholder',
    id: facts => {
      const name = facts.get('serviceName')
      return name && !NO_SERVICE.test(name) ? `svc/${facts.get('serviceNamespace') ?? 'default'}/${name}` : undefined
    },
    unless: facts => placeholder(facts.get('serviceName')),
  },
  {
    source: 'model',
    confidence: 'unknown',
    needs: 'a model name',
    id: facts => {
      const model = facts.get('model')
      return model && `model/${model}`
    },
  },
]
