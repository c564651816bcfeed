/** The labels of a series: where it comes from, what its resource says, what its point says. */
import type { Attributes } from '../../proto/views/attributes.js'
import { ResourceView } from '../../proto/views/resource.js'
import { labelName } from './names.js'
import type { Options } from './options.js'
import type { Label } from './store.js'

const IDENTIFYING: ReadonlySet<string> = new Set(['service.name', 'service.namespace', 'service.instance.id'])
const [NAME, NAMESPACE, INSTANCE] = ['service.name', 'service.namespace', 'service.instance.id'].map(key => Buffer.from(key)) as [
  Buffer,
  Buffer,
  Buffer,
]

export class Labels {
  private readonly resource = new ResourceView()
  private readonly asked: ReadonlySet<string>

  constructor(private readonly options: Pick<Options, 'const_labels' | 'resource_labels' | 'resource_to_telemetry_conversion'>) {
    this.asked = new Set(options.resource_labels)
  }

  /** `job` is the service, with its namespace, and `instance` its instance, as the compatibility specification has them. Throws WireError. */
  ofResource(resource: Uint8Array): ReadonlyMap<string, string> {
    const { attributes } = this.resource.read(resource)
    const labels = new Map(Object.entries(this.options.const_labels).map(([key, value]) => [labelName(key), value]))
    const text = (key: Uint8Array): string => attributes.string(key) ?? ''
    const [name, namespace, instance] = [text(NAME), text(NAMESPACE), text(INSTANCE)]
    if (name !== '') labels.set('job', namespace === '' ? name : `${namespace}/${name}`)
    if (instance !== '') labels.set('instance', instance)
    const all = this.options.resource_to_telemetry_conversion.enabled
    for (let index = 0; index < attributes.length; index++) {
      const key = attributes.key(index)
      if (this.asked.has(key) || (all && !IDENTIFYING.has(key))) labels.set(labelName(key), attributes.value(index).text())
    }
    return labels
  }

  /** Sorted. What the point says goes before its resource; of names that become one, values are joined, as the specification has it. Throws WireError. */
  ofPoint(resource: ReadonlyMap<string, string>, attributes: Attributes): Label[] {
    const own = new Map<string, string>()
    for (let index = 0; index < attributes.length; index++) {
      const name = labelName(attributes.key(index))
      const value = attributes.value(index).text()
      const before = own.get(name)
      own.set(name, before === undefined ? value : `${before};${value}`)
    }
    const labels: Label[] = []
    for (const [name, value] of resource) if (!own.has(name) && value !== '') labels.push({ name, value })
    for (const [name, value] of own) if (value !== '') labels.push({ name, value })
    return labels.sort((a, b) => (a.name < b.name ? -1 : 1))
  }
}
