/** What points stand for, found again by the bytes of their attributes: decoded once, then compared. */
import { Attributes } from '../../proto/views/attributes.js'
import { GPU_SHARE } from '../../proto/vocabulary/attributes.js'
import { BYTES, Fields, sameBytes } from '../../proto/wire.js'
import { type Labels, labelsOf } from './identity.js'
import { type PointState, ResourceState } from './state.js'

const NOBODY = new ResourceState(new Map())
/** About what a new series costs, until it is counted exactly when the next window closes. */
const NEW_SERIES = 2048

/** Told of groups, metrics, points and attribute fields as they are read; `state` then says what the point stands for. */
export class Recall {
  /** About the bytes of what was met for the first time since this was set to 0. */
  grown = 0
  private resource = NOBODY
  private readonly attributes = new Attributes()
  /** Attributes of the points of the metric before: the next one's are mostly the same, in the same order. */
  private starts = new Int32Array(64)
  private ends = new Int32Array(64)
  private readonly states: PointState[] = []
  private known = 0
  private index = 0
  /** Attribute fields of the point. */
  private start = -1
  private end = -1
  private together = true

  beginGroup(resource: ResourceState): void {
    this.resource = resource
    this.known = 0
  }

  beginMetric(): void {
    this.index = 0
  }

  endMetric(): void {
    this.known = this.index
  }

  beginPoint(): void {
    this.start = this.end = -1
    this.together = true
  }

  attribute(field: Fields): void {
    field.expect(BYTES)
    if (this.start < 0) this.start = field.tagStart
    else if (field.tagStart !== this.end) this.together = false
    this.end = field.end
  }

  /** What the point's attributes, which are fields `number`, stand for: guessed from the metric before, else looked up, else found out. */
  state(bytes: Uint8Array, number: number): PointState {
    const start = Math.max(0, this.start)
    const end = Math.max(start, this.end)
    const { index } = this
    if (!this.together) return this.look(laidTogether(bytes, start, end, number))
    if (index < this.known && sameBytes(bytes, this.starts[index]!, this.ends[index]!, bytes, start, end)) {
      this.index++
      return this.states[index]!
    }
    const state = this.resource.points.get(bytes, start, end) ?? this.discover(bytes.subarray(start, end))
    if (index === this.starts.length) this.grow()
    this.starts[index] = start
    this.ends[index] = end
    this.states[index] = state
    this.index++
    return state
  }

  private look(attributes: Uint8Array): PointState {
    return this.resource.points.get(attributes, 0, attributes.length) ?? this.discover(attributes)
  }

  private discover(attributes: Uint8Array): PointState {
    this.grown += NEW_SERIES + attributes.length
    return this.resource.points.add(attributes, 0, attributes.length, key => {
      const share = this.resource.use === 'board' ? 1 : Number(this.labels(key).get(GPU_SHARE) ?? this.resource.labels.get(GPU_SHARE) ?? 1)
      return {
        device: undefined,
        engine: undefined,
        counters: undefined,
        share: share >= 0 && share <= 1 ? share : 1,
        attributes: key,
        lastTime: Number.NEGATIVE_INFINITY,
      }
    })
  }

  /** What attribute fields say. */
  labels(attributes: Uint8Array): Labels {
    this.attributes.clear(attributes)
    const fields = new Fields(attributes)
    while (fields.next()) this.attributes.addField(fields)
    return labelsOf(this.attributes)
  }

  private grow(): void {
    const larger = (old: Int32Array) => {
      const array = new Int32Array(old.length * 2)
      array.set(old)
      return array
    }
    this.starts = larger(this.starts)
    this.ends = larger(this.ends)
  }
}

/** Attribute fields between which others lie, without those. */
const laidTogether = (bytes: Uint8Array, start: number, end: number, number: number): Uint8Array => {
  const pieces: Uint8Array[] = []
  const fields = new Fields(bytes, start, end)
  while (fields.next()) if (fields.number === number) pieces.push(bytes.subarray(fields.tagStart, fields.end))
  return Buffer.concat(pieces)
}
