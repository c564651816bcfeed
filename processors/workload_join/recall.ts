/** What points stand for, found again by the bytes of their attributes: decoded once, then compared. */
import { Attributes } from '../../proto/views/attributes.js'
import { Echo } from '../../proto/views/echo.js'
import { GPU_SHARE } from '../../proto/vocabulary/attributes.js'
import { Fields, sameBytes } from '../../proto/wire.js'
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
  private readonly echo = new Echo<PointState>()

  beginGroup(resource: ResourceState): void {
    this.resource = resource
    this.echo.beginGroup()
  }

  beginMetric(): void {
    this.echo.beginMetric()
  }

  beginPoint(): void {
    this.echo.beginPoint()
  }

  attribute(field: Fields): void {
    this.echo.attribute(field)
  }

  /**
   * What the point's attributes, which are fields `number`, stand for: as in the metric before, else as at this place in the group before, else
   * looked up, else found out.
   */
  state(bytes: Uint8Array, number: number): PointState {
    const { echo } = this
    const { heard, place, start, end } = echo
    if (heard) return heard
    if (!echo.together) return echo.keep(this.look(laidTogether(bytes, start, end, number)))
    const { order, points } = this.resource
    const before = order[place]
    if (before && sameBytes(before.attributes, 0, before.attributes.length, bytes, start, end)) return echo.keep(before)
    const state = this.look(bytes.subarray(start, end))
    if (place < points.size) order[place] = state
    return echo.keep(state)
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
}

/** Attribute fields between which others lie, without those. */
const laidTogether = (bytes: Uint8Array, start: number, end: number, number: number): Uint8Array => {
  const pieces: Uint8Array[] = []
  const fields = new Fields(bytes, start, end)
  while (fields.next()) if (fields.number === number) pieces.push(bytes.subarray(fields.tagStart, fields.end))
  return Buffer.concat(pieces)
}
