/**
 * Energy that nobody owns: what the devices of one host used, less what their owners book of it.
 *
 * The owners book elsewhere, on other partitions. Here the same samples, in the same order, go through the same code, so that what they book
 * is known; a device that changed hands, shares that do not cover it and samples that an owner cannot use all come out as the rest.
 */
import type { Group } from '../../proto/batch.js'
import type { GpuTime } from '../../proto/events/event.js'
import { ResourceView } from '../../proto/views/resource.js'
import { GPU_OWNERS, WORKLOAD_ID } from '../../proto/vocabulary/attributes.js'
import type { Arena } from './arena.js'
import type { DeviceTime, Span } from './device_time.js'
import type { FoldTime, MetricFold } from './fold-metrics.js'
import { resourceLabels } from './identity.js'
import type { Amounts, Ledger } from './ledger.js'
import { ResourceState, Workload } from './state.js'

/** A rest smaller than this part of the whole is what rounding leaves. */
const ROUNDING = 1e-12
const OWNERS = Buffer.from(GPU_OWNERS)
const OWNER = Buffer.from(WORKLOAD_ID)

export class Remainder {
  private readonly devices: Workload
  /** By id, in the order in which they came. */
  private readonly owners = new Map<string, Workload>()
  private readonly resource = new ResourceView()
  /** Joules that were booked here before an owner turned out to book them too, and the window in which that was seen. */
  private overdrawn: { readonly at: number; joules: number }[] = []

  constructor(private readonly arena: Arena) {
    this.devices = new Workload('', arena)
  }

  /** Takes the energy in a group of samples; `owned`: the resource names the owners. Throws WireError. */
  fold(metrics: MetricFold, group: Group, owned: boolean, at: FoldTime): void {
    this.into(this.devices, metrics, group, at, 'board')
    if (owned) for (const id of this.ownersOf(group)) this.into(this.ownerOf(id), metrics, group, at, 'energy')
  }

  /** Books up to `end`; `used` and `taken` are empty ledgers. Returns the rest; undefined when no energy was ever told. */
  close(end: number, maxGap: number, used: Ledger, taken: Ledger): Amounts {
    for (const { counters } of this.devices.devices) used.take(counters, end)
    for (const id of [...this.owners.keys()].sort()) for (const { counters } of this.owners.get(id)!.devices) taken.take(counters, end)
    const whole = used.amounts('gpu.energy')
    if (!whole) return undefined
    const [onTime, late] = taken.amounts('gpu.energy') ?? [0, 0]
    return this.settle(whole[0] - onTime, whole[1] - late, ROUNDING * (whole[0] + whole[1]), end, maxGap)
  }

  /** Device time that nobody owns. */
  time(deviceTime: DeviceTime, span: Span): GpuTime[] {
    const owners = [...this.owners.keys()].sort().map(id => this.owners.get(id)!.devices)
    return deviceTime.unowned(this.devices.devices, owners, span)
  }

  forget(oldest: number, coarseBefore: number, spacing: number): boolean {
    for (const [id, owner] of this.owners) if (!owner.forget(oldest, coarseBefore, spacing)) this.owners.delete(id)
    return this.devices.forget(oldest, coarseBefore, spacing)
  }

  get bytes(): number {
    let { bytes } = this.devices
    for (const owner of this.owners.values()) bytes += owner.bytes
    return bytes
  }

  /** No amount is negative: what is short is taken from the rest of later windows, for `maxGap`. */
  private settle(onTime: number, late: number, rounding: number, end: number, maxGap: number): [number, number] {
    let left = onTime + late
    this.overdrawn = this.overdrawn.filter(({ at, joules }) => joules > 0 && end - at <= maxGap)
    if (left < -rounding) this.overdrawn.push({ at: end, joules: -left })
    if (left <= rounding) return [0, 0]
    for (const debt of this.overdrawn) {
      const paid = Math.min(debt.joules, left)
      debt.joules -= paid
      left -= paid
    }
    const now = Math.min(Math.max(onTime, 0), left)
    return [now, left - now]
  }

  private ownerOf(id: string): Workload {
    let owner = this.owners.get(id)
    if (!owner) this.owners.set(id, (owner = new Workload(id, this.arena)))
    return owner
  }

  private ownersOf({ resource }: Group): readonly string[] {
    const { attributes } = this.resource.read(resource)
    const others = attributes.find(OWNERS)
    const plain = others < 0 ? [] : attributes.value(others).plain()
    return [attributes.string(OWNER) ?? '', ...(Array.isArray(plain) ? plain.map(String) : [])]
  }

  private into(workload: Workload, metrics: MetricFold, group: Group, at: FoldTime, use: 'energy' | 'board'): void {
    const { resource } = group
    let state = workload.resources.get(resource, 0, resource.length)
    if (!state) {
      if (!at.room) return
      state = workload.resources.add(
        resource,
        0,
        resource.length,
        () => new ResourceState(resourceLabels(this.resource.read(resource).attributes), use),
      )
      metrics.recall.grown += 1024 + resource.length
    }
    if (at.appendTime > state.lastTime) state.lastTime = at.appendTime
    // Whoever passes the samples on counts what is wrong with them.
    const before = { ...metrics.ignored }
    metrics.fold(workload, state, group, at)
    Object.assign(metrics.ignored, before)
  }
}
