/** Reads a log from a position on, and notices what is missing. */
import type { Frame } from './frame.js'
import type { LogEvents, SegmentedLog } from './log.js'

export class LogReader {
  /** Items before the next record, once one was read. */
  private expected: number | undefined

  constructor(
    private readonly log: SegmentedLog,
    /** Where it reads next. */
    public position: number,
    private readonly events: Pick<LogEvents, 'lost'>,
  ) {}

  get caughtUp(): boolean {
    return this.position >= this.log.durable
  }

  /** The next records, about a MiB of them; none when it has caught up, or when all in reach were damaged. */
  async read(): Promise<readonly Frame[]> {
    if (this.position <= this.log.start) this.expected ??= this.log.itemsBeforeStart
    const { frames, next } = await this.log.read(this.position)
    this.position = next
    const first = frames[0]
    const last = frames.at(-1)
    if (!first || !last) return frames
    let lost = this.expected === undefined ? 0 : first.itemsBefore - this.expected
    const span = last.itemsBefore - first.itemsBefore
    let seen = 0
    for (const { items } of frames) seen += items
    lost += span + last.items - seen
    if (lost > 0) this.events.lost(lost)
    this.expected = last.itemsBefore + last.items
    return frames
  }
}
