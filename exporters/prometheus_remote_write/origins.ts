/** Resources that points came from: each one read once, then known by its bytes. */
import { ByteTable, type Entry, hashOf } from '../../proto/byte-table.js'
import type { Label } from '../../proto/exposition/series.js'
import type { Labels } from '../../proto/prometheus/labels.js'

export class Origin implements Entry {
  readonly start = 0
  chain: Entry | undefined
  constructor(
    /** Body of the Resource. */
    readonly bytes: Buffer,
    readonly hash: number,
    /** No other has it, also of those that were forgotten. */
    readonly number: number,
    /** What its series have in common. */
    readonly labels: ReadonlyMap<string, string>,
    /** Labels of `target_info`, sorted; undefined where it would say nothing. */
    readonly info: readonly Label[] | undefined,
  ) {}
  get end(): number {
    return this.bytes.length
  }
}

/** Resources remembered; beyond them all are read anew. */
const MOST = 50_000

export class Origins {
  private table = new ByteTable<Origin>()
  private numbers = 0

  constructor(
    private readonly labels: Labels,
    private readonly constants: ReadonlyMap<string, string>,
    private readonly seed: number,
  ) {}

  /** Throws WireError. */
  of(resource: Uint8Array): Origin {
    const bytes = Buffer.from(resource.buffer, resource.byteOffset, resource.length)
    const hash = hashOf(bytes, 0, bytes.length, this.seed)
    const known = this.table.find(bytes, 0, bytes.length, hash)
    if (known) return known
    const labels = this.labels.ofResource(resource)
    const origin = new Origin(Buffer.from(bytes), hash, this.numbers++, labels, this.infoOf(resource, labels))
    if (this.table.size >= MOST) this.table = new ByteTable()
    this.table.add(origin)
    return origin
  }

  /** Only of who can be joined by `job` or `instance`, and has more to say than these. */
  private infoOf(resource: Uint8Array, labels: ReadonlyMap<string, string>): readonly Label[] | undefined {
    const own = this.labels.ofTarget(resource)
    if (own.size === 0 || !(labels.has('job') || labels.has('instance'))) return undefined
    const all = new Map([...this.constants, ...own])
    for (const name of ['job', 'instance']) {
      const value = labels.get(name)
      if (value !== undefined) all.set(name, value)
    }
    return [...all]
      .filter(([, value]) => value !== '')
      .map(([name, value]) => ({ name, value }))
      .sort((a, b) => (a.name < b.name ? -1 : 1))
  }
}
