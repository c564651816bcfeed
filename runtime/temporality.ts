/** An option that exporters of OTLP share: how correlated events are rendered for them. */
import { z } from 'zod'

export const TEMPORALITIES = ['delta', 'cumulative'] as const
export type Temporality = (typeof TEMPORALITIES)[number]

export const temporality = () =>
  z
    .enum(TEMPORALITIES)
    .default('delta')
    .describe('Sums and histograms of correlated events: `delta`, each window for itself, or `cumulative`, running totals.')
