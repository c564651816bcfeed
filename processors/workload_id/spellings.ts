/**
 * The many spellings of one fact. A pod's name is `k8s.pod.name` on an OTLP resource, `pod` on a scraped series, `exported_pod` where the
 * scrape kept its own labels (honor_labels: false): then plain `pod` is the exporter's. First hit wins.
 * Source: OTel semantic conventions v1.44.0 k8s attributes; dcgm-exporter, kube-state-metrics and Prometheus label forms.
 */

import { BLANK_LABELS } from '../../proto/vocabulary/roles.js'

const sanitise = (key: string): string => key.replaceAll(/[^A-Za-z0-9_]/g, '_')

/** A pod label as senders write it: OTel, OTel before 1.30, kube-state-metrics, dcgm-exporter. */
const podLabel = (key: string): string[] => [
  `k8s.pod.label.${key}`,
  `k8s.pod.labels.${key}`,
  `label_${sanitise(key)}`,
  `exported_${sanitise(key)}`,
  sanitise(key),
]
const podAnnotation = (key: string): string[] => [`k8s.pod.annotation.${key}`, `annotation_${sanitise(key)}`]

export const SPELLINGS = {
  explicit: ['ai_factory.workload.id', 'ai_factory_workload_id'],
  cluster: ['k8s.cluster.name', 'cluster', 'cluster_name'],
  namespace: ['k8s.namespace.name', 'exported_namespace', 'namespace', 'pod_namespace'],
  pod: ['k8s.pod.name', 'exported_pod', 'pod', 'pod_name'],
  kueueWorkload: [...podAnnotation('kueue.x-k8s.io/workload'), ...podLabel('kueue.x-k8s.io/pod-group-name')],
  jobSet: podLabel('jobset.sigs.k8s.io/jobset-name'),
  leaderWorkerSet: podLabel('leaderworkerset.sigs.k8s.io/name'),
  trainingJob: podLabel('training.kubeflow.org/job-name'),
  inferenceService: podLabel('serving.kserve.io/inferenceservice'),
  volcanoJob: podLabel('volcano.sh/job-name'),
  rayOrigin: podLabel('ray.io/originated-from-cr-name'),
  rayCluster: podLabel('ray.io/cluster'),
  batchJob: podLabel('batch.kubernetes.io/job-name'),
  deployment: ['k8s.deployment.name'],
  statefulSet: ['k8s.statefulset.name'],
  daemonSet: ['k8s.daemonset.name'],
  cronJob: ['k8s.cronjob.name'],
  job: ['k8s.job.name'],
  slurmJob: ['hpc_job', 'slurm.job.id', 'SLURM_JOB_ID', 'job_id'],
  slurmCluster: ['slurm.cluster.name', 'SLURM_CLUSTER_NAME'],
  raySubmission: ['ray.job.submission_id', 'RAY_JOB_SUBMISSION_ID'],
  torchRun: ['torchelastic.run.id', 'TORCHELASTIC_RUN_ID'],
  mlflowRun: ['mlflow.run_id', 'MLFLOW_RUN_ID'],
  wandbRun: ['wandb.run_group', 'WANDB_RUN_GROUP', 'wandb.run_id', 'WANDB_RUN_ID'],
  serviceNamespace: ['service.namespace'],
  serviceName: ['service.name'],
  model: ['gen_ai.request.model', 'model_name'],
} as const satisfies Record<string, readonly string[]>

export type Fact = keyof typeof SPELLINGS

/** What one resource, or one item over its resource, says about itself. */
export interface Facts {
  /** The first spelling of `fact` that is there and not blank. */
  get(fact: Fact): string | undefined
  /** Any attribute by its own name. */
  attribute(name: string): string | undefined
}

/** Facts of layers of attributes, each asked in turn; the first layer that knows a spelling wins over the next layer's. */
export const factsOf = (...layers: readonly ((name: string) => string | undefined)[]): Facts => {
  const attribute = (name: string): string | undefined => {
    for (const layer of layers) {
      const value = layer(name)
      if (value !== undefined && !BLANK_LABELS.has(value)) return value
    }
    return undefined
  }
  return {
    attribute,
    get: fact => {
      for (const name of SPELLINGS[fact]) {
        const value = attribute(name)
        if (value !== undefined) return value
      }
      return undefined
    },
  }
}
