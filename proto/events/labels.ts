/** Labels that every part of the rendering writes. */
import * as names from '../vocabulary/attributes.js'
import { FIGURE_SOURCES } from './event.js'
import { label, labelsOf } from './metrics-writer.js'

export const INPUT = label(names.TOKEN_TYPE, 'input')
export const OUTPUT = label(names.TOKEN_TYPE, 'output')
export const sourceLabel = labelsOf(names.FIGURE_SOURCE, FIGURE_SOURCES)
