/** Which devices and engines a span ran on (rule 13). */
import { CALLER_ID } from '../../proto/vocabulary/attributes.js'
import { deviceIdentity, type Labels, partsOf } from './identity.js'
import type { Target, Targets, Workload } from './state.js'

/**
 * The targets of spans with these resource labels: narrowed by GPU, pod, host and instance where both sides know them. A pod that has no target
 * leaves none: it ran elsewhere. A caller gets everything of the workload: it does not know which copy answered. A host or an instance that no target has leaves all: the two sides name them differently.
 */
export const targetsOf = (workload: Workload, labels: Labels): Targets => {
  if (labels.has(CALLER_ID)) return workload
  const parts = partsOf(labels)
  const { pod, host } = deviceIdentity(parts)
  const { uuid, instance = '' } = parts
  const narrow = (targets: readonly Target[]): readonly Target[] => {
    const here = pod === '' ? targets : targets.filter(({ identity }) => identity.pod === '' || identity.pod === pod)
    const sameHost = host === '' ? here : here.filter(({ identity }) => identity.host === '' || identity.host === host)
    return sameHost.length > 0 ? sameHost : here
  }
  const devices = uuid === undefined ? narrow(workload.devices) : workload.devices.filter(({ identity }) => owns(identity.id, uuid))
  const engines = narrow(workload.engines)
  const sameInstance = instance === '' ? engines : engines.filter(({ identity }) => identity.instance === instance)
  return { devices, engines: sameInstance.length > 0 ? sameInstance : engines }
}

/** A device's id is its board's UUID, or that and a slice of it. */
const owns = (id: string, uuid: string): boolean => id === uuid || id.startsWith(`${uuid}/`)

/** Those that could say something about [low, high): neither gone before nor come after. */
export const present = (targets: readonly Target[], low: number, high: number, maxGap: number): readonly Target[] => {
  let there = 0
  for (let i = 0; i < targets.length; i++) if (targets[i]!.track.spans(low, high, maxGap)) there++
  return there === targets.length ? targets : targets.filter(({ track }) => track.spans(low, high, maxGap))
}
