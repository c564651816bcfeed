/** Targets written in the configuration; and the shape that lists of targets have elsewhere too. */
import { z } from 'zod'
import type { Labels } from '../relabel/relabel.js'
import type { StaticOptions } from './options.js'

/** What files and URLs list. */
export const targetGroups = z.array(
  z.strictObject({
    targets: z.array(z.string()).default([]),
    labels: z.record(z.string(), z.union([z.string(), z.number().transform(String), z.boolean().transform(String)])).default({}),
  }),
)

/** One label set for each target; the group's labels do not replace the target's own. */
export const labelSets = (
  groups: readonly Pick<StaticOptions, 'targets' | 'labels'>[],
  more: Readonly<Record<string, string>> = {},
): Labels[] =>
  groups.flatMap(({ targets, labels }) =>
    targets.map(target => new Map([...Object.entries(labels), ...Object.entries(more), ['__address__', target]])),
  )
