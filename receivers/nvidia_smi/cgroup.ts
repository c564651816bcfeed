/**
 * Whose a process is, by its cgroups: /proc/<pid>/cgroup, one line a hierarchy, `<number>:<controllers>:<path>` (cgroups(7)); in version 2 one line, `0::<path>`.
 * Kubernetes writes the pod's uid and the container's id into the path, by the driver cgroupfs (`/kubepods/burstable/pod<uid>/<id>`) or by systemd
 * (`kubepods-burstable-pod<uid, _ for ->.slice/cri-containerd-<id>.scope`); Slurm the job and the step; Docker and Podman the container's id.
 */

export interface Owner {
  readonly podUid?: string
  readonly containerId?: string
  readonly slurmJob?: string
  readonly slurmStep?: string
}

/** `pod` and a uid, which is a UUID with `-` or `_`, or the 32 hex digits of a static pod's hash. The end of a name, or of the name of a slice. */
const POD =
  /^(?:[\w.-]*kubepods[\w.-]*-)?pod([\da-f]{8}[-_][\da-f]{4}[-_][\da-f]{4}[-_][\da-f]{4}[-_][\da-f]{12}|[\da-f]{32})(?:\.slice)?$/i
/** 64 hex digits, with the runtime before them (`docker-`, `cri-containerd-`, `crio-`, `libpod-`) and `.scope` after. */
const CONTAINER = /^(?:[\w.-]*-)?([\da-f]{64})(?:\.scope)?$/i
/** Stands beside its container and is no part of it. */
const MONITOR = /^(?:crio|libpod)-conmon-/
/** `slurm`, `slurm_<node>` (version 1), `slurmstepd.scope`, `<node>_slurmstepd.scope`: anybody may call a directory `job_7`, below these it is a job. */
const SLURM = /^(?:[\w.-]+_)?slurm/
const JOB = /^job_(\d+)$/
const STEP = /^step_(\w+)$/

/** What the cgroups of a process say; empty when they say nothing (a process of the host, or a cgroup namespace that hides the path). */
export const ownerOf = (cgroups: string): Owner => {
  let owner: Owner = {}
  for (const line of cgroups.split('\n')) {
    // The path may hold colons, the fields before it none.
    const path = /^\d+:[^:]*:(\/.*)$/.exec(line)?.[1]
    if (path !== undefined) owner = { ...ownerOfPath(path), ...owner }
  }
  return owner
}

/** Of containers within containers the innermost counts. */
const ownerOfPath = (path: string): Owner => {
  const owner: { -readonly [K in keyof Owner]: Owner[K] } = {}
  let slurm = false
  // `…/kubepods-pod<uid>.slice:cri-containerd:<id>` where the runtime was told the wrong driver.
  for (const name of path.split(/[/:]/)) {
    const pod = POD.exec(name)?.[1]
    if (pod !== undefined) owner.podUid = pod.toLowerCase().replaceAll('_', '-')
    const container = MONITOR.test(name) ? undefined : CONTAINER.exec(name)?.[1]
    if (container !== undefined) owner.containerId = container.toLowerCase()
    slurm ||= SLURM.test(name)
    const job = slurm ? JOB.exec(name)?.[1] : undefined
    if (job !== undefined) owner.slurmJob = job
    const step = owner.slurmJob === undefined ? undefined : STEP.exec(name)?.[1]
    if (step !== undefined) owner.slurmStep = step
  }
  return owner
}

/** One text for one workload: processes with equal keys are the same pod's, job's or container's. Undefined = of nobody known. */
export const ownerKey = ({ podUid, slurmJob, containerId }: Owner): string | undefined =>
  // A Slurm job inside a pod is the finer of the two: the pod is then the node.
  slurmJob !== undefined
    ? `job ${slurmJob} ${podUid ?? ''}`
    : podUid !== undefined
      ? `pod ${podUid}`
      : containerId && `container ${containerId}`
