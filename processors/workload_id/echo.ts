/**
 * The points of one metric mostly say the same of themselves as those of the metric before, in the same order: what was decided about each is found
 * again by comparing their attributes, without looking into them.
 */
import type { ItemView } from '../../proto/views/item.js'
import type { Subject } from './resolver.js'

interface Heard<T> {
  start: number
  end: number
  subject: Subject
  decided: T
}

export class Echo<T> {
  /** By the place of the point in its metric. */
  private readonly heard: Heard<T>[] = []
  private known = 0
  private index = 0
  private start = 0
  private end = 0
  private subject: Subject = 'other'

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
    this.subject = subject
    this.start = attributes.length === 0 ? 0 : attributes.start
    this.end = attributes.length === 0 ? 0 : attributes.end
    const index = this.index++
    if (index >= this.known) return undefined
    const heard = this.heard[index]!
    const same = heard.subject === subject && sameStretch(bytes, heard.start, heard.end, this.start, this.end)
    return same ? heard.decided : undefined
  }

  remember(decided: T): T {
    const { start, end, subject } = this
    this.heard[this.index - 1] = { start, end, subject, decided }
    return decided
  }
}

const sameStretch = (bytes: Uint8Array, aStart: number, aEnd: number, bStart: number, bEnd: number): boolean => {
  if (aEnd - aStart !== bEnd - bStart) return false
  // From the end: what tells points apart is rarely their first attribute.
  for (let a = aEnd - 1, b = bEnd - 1; a >= aStart; a--, b--) if (bytes[a] !== bytes[b]) return false
  return true
}
