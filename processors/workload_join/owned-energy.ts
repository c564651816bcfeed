/** The energy counters of devices that somebody owns, for the key that books what nobody owns of them. */
import { Group } from '../../proto/batch.js'
import { splitGroup } from '../../proto/edit.js'
import { GROUP, METRIC, SCOPE_GROUP } from '../../proto/fields.js'
import type { Attributes } from '../../proto/views/attributes.js'
import { KeySet } from '../../proto/views/attributes.js'
import { ItemCursor } from '../../proto/views/items.js'
import { ResourceView } from '../../proto/views/resource.js'
import { roleAt } from '../../proto/views/role.js'
import { UNALLOCATED } from '../../proto/vocabulary/attributes.js'
import { namesOf } from '../../proto/vocabulary/roles.js'
import { BYTES, Fields, Writer } from '../../proto/wire.js'

const HOSTS = namesOf('host')
const HOST_KEYS = new KeySet(HOSTS)
const NONE: ReadonlyMap<string, Group> = new Map()

export class OwnedEnergy {
  private readonly resource = new ResourceView()
  private readonly ofPoint = new Int32Array(HOSTS.length)
  private readonly ofResource = new Int32Array(HOSTS.length)
  private readonly scopes = new Fields()
  private readonly metrics = new Fields()
  private readonly metric = new Fields()
  private readonly out = new Writer(1024)
  private readonly items = new ItemCursor('metrics')

  /** `unallocated/<host>` → the energy samples of the host's devices in a group of metrics. Throws WireError. */
  byHost(group: Group, workload: string): ReadonlyMap<string, Group> {
    if (workload === '' || workload.startsWith(`${UNALLOCATED}/`)) return NONE
    const rest = this.energyOf(group.rest)
    if (!rest) return NONE
    const energy = Group.of(group.resource, rest)
    const { attributes } = this.resource.read(group.resource)
    attributes.findAll(HOST_KEYS, this.ofResource)
    const hosts: string[] = []
    const items = this.items.over(rest)
    while (items.next()) hosts.push(this.hostOf(items.item.attributes, attributes))
    if (hosts.length === 0) return NONE
    // An exporter mostly speaks of one host.
    if (hosts.every(host => host === hosts[0])) return new Map([[`${UNALLOCATED}/${hosts[0]}`, energy]])
    const groups = new Map<string, Group>()
    let next = 0
    for (const [host, part] of splitGroup('metrics', energy, () => hosts[next++]!)) groups.set(`${UNALLOCATED}/${host}`, part.group)
    return groups
  }

  /** As `workload_id` names the host of a device that nobody owns: the label of the lowest rank, points before resources. */
  private hostOf(point: Attributes, resource: Attributes): string {
    point.findAll(HOST_KEYS, this.ofPoint)
    for (let rank = 0; rank < HOSTS.length; rank++) {
      const inPoint = this.ofPoint[rank]!
      const inResource = this.ofResource[rank]!
      if (inPoint < 0 && inResource < 0) continue
      const host = inPoint >= 0 ? point.value(inPoint).text() : resource.value(inResource).text()
      if (host !== '') return host
    }
    return 'unknown'
  }

  /** The energy metrics, in their scopes; undefined when there are none. */
  private energyOf(rest: Uint8Array): Uint8Array | undefined {
    const { scopes, metrics, metric } = this
    const out = this.out.clear()
    let some = false
    scopes.reset(rest)
    while (scopes.next()) {
      if (scopes.number !== GROUP.scopes) continue
      out.begin(GROUP.scopes)
      metrics.enter(scopes)
      while (metrics.next()) {
        if (metrics.number !== SCOPE_GROUP.items || !isEnergy(metric.enter(metrics))) continue
        out.raw(rest, metrics.tagStart, metrics.end)
        some = true
      }
      out.end()
    }
    return some ? out.copy() : undefined
  }
}

const isEnergy = (metric: Fields): boolean => {
  while (metric.next())
    if (metric.number === METRIC.name) return roleAt(metric.expect(BYTES).bytes, metric.start, metric.end)?.role === 'gpu.energy'
  return false
}
