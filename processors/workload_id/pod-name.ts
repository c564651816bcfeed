/**
 * A pod's name without what its controller added, which is the workload's own name.
 * Source: Kubernetes names its pods `<deployment>-<pod-template-hash>-<5>`, `<daemonset or job>-<5>`, `<statefulset>-<ordinal>`,
 * `<indexed job>-<index>-<5>`; the suffix alphabet has no vowels and no 0, 1, 3 (apimachinery/pkg/util/rand), the hash is its safe encoding.
 */
const SUFFIX = '[bcdfghjklmnpqrstvwxz2456789]{5}'
const HASH = '[bcdfghjklmnpqrstvwxz2456789]{6,10}'
const SHAPES = [
  new RegExp(`^(.+)-${HASH}-${SUFFIX}$`), // Deployment
  new RegExp(`^(.+)-\\d+-${SUFFIX}$`), // indexed Job, JobSet
  new RegExp(`^(.+)-${SUFFIX}$`), // DaemonSet, Job
  /^(.+)-\d+$/, // StatefulSet
]

/** `vllm-llama-7d9c5b6f4-x2x8p` → `vllm-llama`. A name of no such shape is a bare pod's and stays whole. */
export const workloadOfPod = (pod: string): string => {
  for (const shape of SHAPES) {
    const name = shape.exec(pod)?.[1]
    if (name) return name
  }
  return pod
}
