/** Batch → what goes into one record each: the same topic, the same key. Where all of it has one of each, it is the very batch that came. */
import { createHash } from 'node:crypto'
import { Batch, type Group } from '../../proto/batch.js'
import { type Share, splitGroup } from '../../proto/edit.js'
import { countItems } from '../../proto/inspect.js'
import { LogView } from '../../proto/views/logs.js'
import { ResourceView } from '../../proto/views/resource.js'
import { SpanView } from '../../proto/views/traces.js'
import type { Options } from './options.js'
import { TOPIC } from './topic.js'

export interface Part {
  readonly topic: string
  readonly key: Buffer | null
  readonly batch: Batch
}

interface Address {
  readonly topic: string
  readonly key: Buffer | null
}

export class Sorter {
  private readonly resource = new ResourceView()
  private readonly topicFrom: Buffer | undefined
  private readonly keyFrom: Buffer | undefined

  constructor(private readonly options: Options) {
    this.topicFrom = options.topic_from_attribute === '' ? undefined : Buffer.from(options.topic_from_attribute)
    this.keyFrom = options.key_from_attribute === '' ? undefined : Buffer.from(options.key_from_attribute)
  }

  /** In order of first appearance. Throws WireError. */
  sort(batch: Batch): Part[] {
    const { signal } = batch
    if (signal === 'events') throw new RangeError('events are no OTLP signal')
    const { topic } = this.options[signal]
    const byTrace = this.keyedByTrace(batch)
    if (!byTrace && !this.topicFrom && !this.keyFrom && !this.keyedByResource(batch)) return [{ topic, key: null, batch }]
    const parts = new Map<string, Address & { readonly groups: Group[]; items: number }>()
    const add = (address: Address, { group, items }: Share): void => {
      const name = `${address.topic}/${address.key?.toString('latin1') ?? ''}`
      const part = parts.get(name) ?? { ...address, groups: [], items: 0 }
      part.groups.push(group)
      part.items += items
      parts.set(name, part)
    }
    for (const group of batch.groups) {
      const address = this.addressOf(batch, group, topic)
      if (!byTrace) add(address, { group, items: countItems(signal, group.rest) })
      else
        for (const [id, share] of splitGroup(signal, group, ({ item }) =>
          item instanceof SpanView || item instanceof LogView ? item.traceId() : '',
        ))
          add({ topic: address.topic, key: id === '' ? null : Buffer.from(id) }, share)
    }
    const [only] = parts.values()
    if (parts.size === 1 && only) return [{ topic: only.topic, key: only.key, batch }]
    // Fields of the request that are no groups go with the first part.
    return [...parts.values()].map(({ topic, key, groups, items }, index) => ({
      topic,
      key,
      batch: index === 0 ? batch.withGroups(groups, items) : Batch.ofGroups(signal, groups, items, batch.metadata),
    }))
  }

  private addressOf(batch: Batch, group: Group, topic: string): Address {
    const { attributes } = this.resource.read(group.resource)
    const named = this.topicFrom && attributes.string(this.topicFrom)
    const place = named !== undefined && TOPIC.test(named) ? named : topic
    if (this.keyedByResource(batch)) return { topic: place, key: this.hashOfResource() }
    const index = this.keyFrom ? attributes.find(this.keyFrom) : -1
    const text = index < 0 ? '' : attributes.value(index).text()
    return { topic: place, key: text === '' ? null : Buffer.from(text) }
  }

  /** Of the attributes just read, in whatever order they stand. */
  private hashOfResource(): Buffer {
    const { attributes } = this.resource
    const pairs = Array.from({ length: attributes.length }, (_, index) => attributes.keyValue(index)).sort(Buffer.compare)
    const hash = createHash('md5')
    for (const pair of pairs) hash.update(`${pair.length}/`).update(pair)
    return hash.digest()
  }

  private keyedByTrace({ signal }: Batch): boolean {
    return (signal === 'traces' && this.options.partition_traces_by_id) || (signal === 'logs' && this.options.partition_logs_by_trace_id)
  }

  private keyedByResource({ signal }: Batch): boolean {
    return (
      (signal === 'metrics' && this.options.partition_metrics_by_resource_attributes) ||
      (signal === 'logs' && this.options.partition_logs_by_resource_attributes)
    )
  }
}
