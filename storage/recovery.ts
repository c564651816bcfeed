/** Opening a log that somebody left, perhaps in the middle of a write. */
import type { Files } from './files.js'
import { SEGMENT_NAME, Segment } from './segment.js'

export interface RecoveryEvents {
  tornTail(bytes: number): void
  damaged(path: string, position: number, bytes: number): void
}

/** The segments of a directory in order, each ending where sound records end, and the items the log has seen. */
export const openSegments = async (
  files: Files,
  directory: string,
  events: RecoveryEvents,
): Promise<{ segments: Segment[]; items: number }> => {
  const names = (await files.list(directory)).filter(name => SEGMENT_NAME.test(name)).sort()
  const opened: Segment[] = []
  for (const name of names) {
    const segment = await Segment.open(files, directory, name)
    if (segment) opened.push(segment)
    // The newest one may have been cut off while its header was written; any other is damaged, and kept for a person to look at.
    else if (name === names.at(-1)) await files.remove(`${directory}/${name}`)
    else events.damaged(`${directory}/${name}`, Number.parseInt(name, 16), 0)
  }
  const segments: Segment[] = []
  for (const [index, segment] of opened.entries()) {
    const next = opened[index + 1]
    if (next) segment.end = Math.min(segment.end, next.previousEnd)
    if (next && segment.end <= segment.base) await segment.remove()
    else segments.push(segment)
  }
  const last = segments.at(-1)
  const items = last ? await recoverLast(last, events) : 0
  return { segments, items }
}

/** Reads the segment that was being written, cuts it behind its last sound record, and gives the items up to there. */
const recoverLast = async (segment: Segment, events: RecoveryEvents): Promise<number> => {
  const fileEnd = segment.end
  let items = segment.header.itemsBefore
  let soundEnd = segment.base
  for (let at = segment.base; at < segment.end; ) {
    const { frames, next } = await segment.scan(at)
    const last = frames.at(-1)
    if (last) {
      items = last.itemsBefore + last.items
      soundEnd = last.end
    }
    at = next
  }
  if (soundEnd < fileEnd) {
    await segment.cut(soundEnd)
    events.tornTail(fileEnd - soundEnd)
  }
  return items
}
