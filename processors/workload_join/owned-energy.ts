/** The energy counters of devices that somebody owns, for the key that books what nobody owns of them. */
import { Group } from '../../proto/batch.js'
import { splitGroup } from '../../proto/edit.js'
import { GROUP, METRIC, SCOPE_GROUP } from '../../proto/fields.js'
import type { Attributes } from '../../proto/views/attributes.js'
import { KeySet } from '../../proto/views/attributes.js'
import { ResourceView } from '../../proto/views/resource.js'
import { UNALLOCATED } from '../../proto/vocabulary/attributes.js'
import { namesOf, ROLES } from '../../proto/vocabulary/roles.js'
import { Fields, Writer } from '../../proto/wire.js'

const isEnergy = (name: string): boolean => ROLES.get(name)?.role === 'gpu.energy'
const ENERGY = [...ROLES.keys()].filter(isEnergy).map(name => Buffer.from(name))
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

  /** `unallocated/<host>` → the energy samples of the host's devices in a group of metrics. Throws WireError. */
  byHost(group: Group, workload: string): ReadonlyMap<string, Group> {
    if (workload === '' || workload.startsWith(`${UNALLOCATED}/`)) return NONE
    const { rest } = group
    const bytes = Buffer.from(rest.buffer, rest.byteOffset, rest.length)
    if (!ENERGY.some(name => bytes.includes(name))) return NONE
    const energy = Group.of(group.resource, this.energyOf(rest))
    const { attributes } = this.resource.read(group.resource)
    attributes.findAll(HOST_KEYS, this.ofResource)
    const groups = new Map<string, Group>()
    for (const [host, part] of splitGroup('metrics', energy, ({ item }) => this.hostOf(item.attributes, attributes)))
      groups.set(`${UNALLOCATED}/${host}`, part.group)
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

  private energyOf(rest: Uint8Array): Uint8Array {
    const { scopes, metrics, metric } = this
    const out = this.out.clear()
    scopes.reset(rest)
    while (scopes.next()) {
      if (scopes.number !== GROUP.scopes) continue
      out.begin(GROUP.scopes)
      metrics.enter(scopes)
      while (metrics.next()) {
        if (metrics.number !== SCOPE_GROUP.items) continue
        metric.enter(metrics)
        while (metric.next())
          if (metric.number === METRIC.name) {
            if (isEnergy(metric.string())) out.raw(rest, metrics.tagStart, metrics.end)
            break
          }
      }
      out.end()
    }
    return out.copy()
  }
}
