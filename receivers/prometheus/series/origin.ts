/** Where series come from: the resource (one per job and instance) and the instrumentation scope in it. */
import { Writer } from '../../../proto/wire.js'
import type { Labels } from '../relabel/relabel.js'
import type { Metadata } from './metadata.js'
import { Family, type Place } from './point.js'

const RESOURCE_ATTRIBUTES = 1
const SCOPE = { name: 1, version: 2, attributes: 3 } as const
/** Scope of series that name none. */
const OWN_SCOPE = 'github.com/ai-factory-gateway/receivers/prometheus'

/** KeyValue {1 key, 2 value: AnyValue {1 string_value}} as field `number`. */
export const writeAttribute = (writer: Writer, number: number, name: string, value: string): void => {
  const { length } = value
  writer
    .begin(number, name.length + length + 6)
    .string(1, name)
    .begin(2, length + 2)
    .string(1, value)
    .end()
    .end()
}

/** The URL a target is scraped at, taken apart. */
export interface Server {
  readonly address: string
  readonly port: string
  readonly scheme: string
}

export class Origin {
  readonly scopes = new Map<string, Scope>()
  /** Labels of `target_info`, and the scrape that last had them. */
  info: Labels | undefined
  infoSeen = 0
  /** The scope of series that name none. */
  private unnamed: Scope | undefined
  private body: Uint8Array | undefined
  private bodyInfo: Labels | undefined

  constructor(
    readonly job: string,
    readonly instance: string,
    private readonly server: Server,
  ) {}

  scope(labels: Labels): Scope {
    let named = false
    for (const name of labels.keys()) if (name.startsWith(SCOPE_LABELS)) named = true
    if (!named) return (this.unnamed ??= this.named(new Map()))
    return this.named(labels)
  }

  private named(labels: Labels): Scope {
    const own = new Map(Array.from(labels).filter(([name]) => name.startsWith(SCOPE_LABELS)))
    const key = JSON.stringify(Array.from(own).sort())
    let scope = this.scopes.get(key)
    if (!scope) this.scopes.set(key, (scope = new Scope(this, key, own)))
    return scope
  }

  /** Body of the Resource message. */
  resource(scrape: number): Uint8Array {
    const info = this.infoSeen === scrape ? this.info : undefined
    if (this.body && info === this.bodyInfo) return this.body
    const attributes = new Map([
      ['service.name', this.job],
      ['service.instance.id', this.instance],
      ['server.address', this.server.address],
      ['server.port', this.server.port],
      ['url.scheme', this.server.scheme],
    ])
    for (const [name, value] of info ?? []) attributes.set(name, value)
    const writer = new Writer()
    for (const [name, value] of attributes) if (value !== '') writeAttribute(writer, RESOURCE_ATTRIBUTES, name, value)
    this.bodyInfo = info
    this.body = writer.finish()
    return this.body
  }
}

/** Labels that describe the instrumentation scope, not the series. */
export const SCOPE_LABELS = 'otel_scope_'

export class Scope implements Place {
  readonly families = new Map<string, Family>()
  /** Body of the InstrumentationScope message. */
  readonly body: Uint8Array
  readonly schemaUrl: string

  constructor(
    readonly origin: Origin,
    private readonly key: string,
    private readonly labels: Labels,
  ) {
    const writer = new Writer()
    writer.string(SCOPE.name, labels.get(`${SCOPE_LABELS}name`) ?? (labels.size === 0 ? OWN_SCOPE : ''))
    const version = labels.get(`${SCOPE_LABELS}version`)
    if (version) writer.string(SCOPE.version, version)
    for (const [label, value] of labels) {
      const name = label.slice(SCOPE_LABELS.length)
      if (name !== 'name' && name !== 'version' && name !== 'schema_url') writeAttribute(writer, SCOPE.attributes, name, value)
    }
    this.schemaUrl = labels.get(`${SCOPE_LABELS}schema_url`) ?? ''
    this.body = writer.finish()
  }

  /** The family written as `name`, of the type its metadata has now. */
  family(name: string, metadata: Metadata): Family {
    let family = this.families.get(name)
    if (!family || family.retired || family.metadata !== metadata) {
      family = new Family(name, metadata, this)
      this.families.set(name, family)
      metadata.families.push(family)
    }
    return family
  }

  /** Forgets a family without points, and itself when that was the last. */
  drop(family: Family): void {
    const { metadata } = family
    metadata.families = metadata.families.filter(each => each !== family)
    if (this.families.get(family.name) === family) this.families.delete(family.name)
    if (this.families.size === 0 && this.labels.size > 0) this.origin.scopes.delete(this.key)
  }
}
