/** The labels of a series: where it comes from, what its resource says, what its point says. */
import type { Label } from '../exposition/series.js'
import type { Attributes } from '../views/attributes.js'
import { ResourceView } from '../views/resource.js'
import { labelName } from './names.js'

/** Options of who writes them. */
export interface LabelOptions {
  /** For every series that has none of that name. */
  readonly const_labels: Readonly<Record<string, string>>
  /** Attributes of the resource that become labels, beside `job` and `instance`. */
  readonly resource_labels: readonly string[]
  readonly resource_to_telemetry_conversion: { readonly enabled: boolean }
  /** Names keep characters that only Prometheus 3 knows. */
  readonly utf8?: boolean
}

/** Attributes that are said by `job` and `instance`. */
export const IDENTIFYING: ReadonlySet<string> = new Set(['service.name', 'service.namespace', 'service.instance.id'])
const [NAME, NAMESPACE, INSTANCE] = ['service.name', 'service.namespace', 'service.instance.id'].map(key => Buffer.from(key)) as [
  Buffer,
  Buffer,
  Buffer,
]

export class Labels {
  private readonly resource = new ResourceView()
  private readonly asked: ReadonlySet<string>

  constructor(private readonly options: LabelOptions) {
    this.asked = new Set(options.resource_labels)
  }

  /** `job` is the service, with its namespace, and `instance` its instance, as the compatibility specification has them. Throws WireError. */
  ofResource(resource: Uint8Array): ReadonlyMap<string, string> {
    const { attributes } = this.resource.read(resource)
    const labels = new Map(Object.entries(this.options.const_labels).map(([key, value]) => [this.name(key), value]))
    const text = (key: Uint8Array): string => attributes.string(key) ?? ''
    const [name, namespace, instance] = [text(NAME), text(NAMESPACE), text(INSTANCE)]
    if (name !== '') labels.set('job', namespace === '' ? name : `${namespace}/${name}`)
    if (instance !== '') labels.set('instance', instance)
    const all = this.options.resource_to_telemetry_conversion.enabled
    for (let index = 0; index < attributes.length; index++) {
      const key = attributes.key(index)
      if (this.asked.has(key) || (all && !IDENTIFYING.has(key))) labels.set(this.name(key), attributes.value(index).text())
    }
    return labels
  }

  /** Sorted. What the point says goes before its resource; of names that become one, values are joined, as the specification has it. Throws WireError. */
  ofPoint(resource: ReadonlyMap<string, string>, attributes: Attributes): Label[] {
    const own = new Map<string, string>()
    for (let index = 0; index < attributes.length; index++) {
      const name = this.name(attributes.key(index))
      const value = attributes.value(index).text()
      const before = own.get(name)
      own.set(name, before === undefined ? value : `${before};${value}`)
    }
    const labels: Label[] = []
    for (const [name, value] of resource) if (!own.has(name) && value !== '') labels.push({ name, value })
    for (const [name, value] of own) if (value !== '') labels.push({ name, value })
    return labels.sort((a, b) => (a.name < b.name ? -1 : 1))
  }

  /** What the resource says beside `job` and `instance`: the labels of `target_info`. Throws WireError. */
  ofTarget(resource: Uint8Array): ReadonlyMap<string, string> {
    const { attributes } = this.resource.read(resource)
    const labels = new Map<string, string>()
    for (let index = 0; index < attributes.length; index++) {
      const key = attributes.key(index)
      if (!IDENTIFYING.has(key)) labels.set(this.name(key), attributes.value(index).text())
    }
    return labels
  }

  private name(key: string): string {
    return labelName(key, this.options.utf8)
  }
}
