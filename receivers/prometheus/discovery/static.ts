/** Targets written in the configuration; and the shape that files of targets have too. */
import type { StaticOptions } from '../options.js'
import type { Labels } from '../relabel/relabel.js'

/** One label set for each target; the group's labels do not replace the target's own. */
export const labelSets = (
  groups: readonly Pick<StaticOptions, 'targets' | 'labels'>[],
  more: Readonly<Record<string, string>> = {},
): Labels[] =>
  groups.flatMap(({ targets, labels }) =>
    targets.map(target => new Map([...Object.entries(labels), ...Object.entries(more), ['__address__', target]])),
  )
