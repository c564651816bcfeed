/**
 * Which offset a restart must read from (rule 19), from time alone: what can still matter to an open window or a held chunk was appended at
 * most `window + 2 x grace` of stream time ago, and what can matter to that was appended at most `history + 2 x grace` before.
 * (Why twice grace: event times may lie `grace` ahead, so a copy is surely `too_late` only `history + 2 x grace` after the first.)
 */
import type { Windowing } from '../handler.js'

/** Before the record at `offset`, stream time was `streamTime` (0: none) and these settings were in force. */
export interface Mark {
  readonly offset: number
  readonly streamTime: number
  readonly windowing: Windowing
}

const SPACING = 1000

/** How long a fingerprint is remembered. */
export const onceHorizon = ({ history, grace }: Windowing): number => history + 2 * grace

export class Timeline {
  private marks: Mark[]
  private first = 0

  constructor(start: Mark) {
    this.marks = [start]
  }

  /** Called before each record is taken. */
  note(offset: number, streamTime: number, windowing: Windowing): void {
    const last = this.marks[this.marks.length - 1]!
    if (streamTime - last.streamTime >= SPACING || windowing !== last.windowing) this.marks.push({ offset, streamTime, windowing })
  }

  /** The latest mark before which nothing is needed any more. */
  oldest(streamTime: number, windowing: Windowing): Mark {
    const needed = streamTime - (windowing.window + 2 * windowing.grace) - onceHorizon(windowing)
    const { marks } = this
    while (this.first + 1 < marks.length && marks[this.first + 1]!.streamTime < needed) this.first++
    if (this.first > 1024) {
      this.marks = marks.slice(this.first)
      this.first = 0
    }
    return this.marks[this.first]!
  }
}
