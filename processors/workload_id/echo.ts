/**
 * The points of one metric mostly say the same of themselves as those of the metric before, in the same order: what was decided about each is found
 * again by comparing their attributes, without looking into them.
 */
import type { ItemView } from '../../proto/views/item.js'
import { sameBytes } from '../../proto/wire.js'
import type { Subject } from './resolver.js'

/** A point's attributes: the first one's length, which its stretch of bytes does not tell, and the stretch, which tells all the others. */
interface Said {
  first: number
  start: number
  end: number
  subject: Subject
}

export class Echo<T> {
  /** By the place of the point in its metric. */
  private readonly heard: (Said & { decided: T })[] = []
  private known = 0
  private index = 0
  private readonly said: Said = { first: 0, start: 0, end: 0, subject: 'other' }

  /** The points that follow are of another group. */
  begin(): void {
    this.known = this.index = 0
  }

  nextMetric(): void {
    this.known = Math.max(this.known, this.index)
    this.index = 0
  }

  /** What was decided about the point at this place in an earlier metric of the group, if it said the same; else `remember` follows. */
  look({ bytes, attributes }: ItemView, subject: Subject): T | undefined {
    const { said } = this
    const empty = attributes.length === 0
    said.first = empty ? 0 : attributes.firstLength
    said.start = empty ? 0 : attributes.start
    said.end = empty ? 0 : attributes.end
    said.subject = subject
    const index = this.index++
    if (index >= this.known) return undefined
    const heard = this.heard[index]!
    const same =
      heard.subject === subject && heard.first === said.first && sameBytes(bytes, heard.start, heard.end, bytes, said.start, said.end)
    return same ? heard.decided : undefined
  }

  remember(decided: T): T {
    this.heard[this.index - 1] = { ...this.said, decided }
    return decided
  }
}
