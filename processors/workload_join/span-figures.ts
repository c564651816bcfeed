/** What spans say of tenants and objectives, as figures of an event: what was booked in the window, late or not. */
import type { SloFigures, TenantFigures } from '../../proto/events/event.js'
import type { SloSums, SpanSource, SpanSums } from './state.js'

const SOURCES = ['engine_spans', 'client_spans'] as const
const nothing = (source: SpanSource, tenant: string): TenantFigures => ({ tenant, source, requests: 0, input: 0, output: 0, cached: 0 })

/** Of every tenant that spans name, and together of those that name none; nothing when none is named. */
export const tenantsOf = (spans: SpanSums | undefined, late: SpanSums | undefined): TenantFigures[] =>
  SOURCES.flatMap(source => {
    const tenants = new Map<string, TenantFigures>()
    const row = (tenant: string): TenantFigures => {
      let figures = tenants.get(tenant)
      if (!figures) tenants.set(tenant, (figures = nothing(source, tenant)))
      return figures
    }
    for (const sums of [spans, late]) {
      for (const [tenant, { requests, input, output, cached }] of sums?.of(source).tenants ?? []) {
        const figures = row(tenant)
        figures.requests += requests
        figures.input += input
        figures.output += output
        figures.cached += cached
      }
      for (const [tenant, { eligible, good }] of sums?.of(source).slo?.tenants ?? []) {
        const figures = row(tenant)
        figures.eligible = (figures.eligible ?? 0) + eligible
        figures.good = (figures.good ?? 0) + good
      }
    }
    if (tenants.size === 0) return []
    const unnamed = nothing(source, '')
    for (const figure of ['requests', 'input', 'output', 'cached'] as const) {
      for (const sums of [spans, late]) unnamed[figure] += sums?.of(source).figures[figure] ?? 0
      for (const each of tenants.values()) unnamed[figure] -= each[figure]
    }
    if (unnamed.requests > 0) tenants.set('', unnamed)
    return [...tenants.values()].sort((a, b) => (a.tenant < b.tenant ? -1 : 1))
  })

export const sloOf = (spans: SpanSums | undefined, late: SpanSums | undefined): SloFigures[] =>
  SOURCES.flatMap(source => {
    const all = [spans?.of(source).slo, late?.of(source).slo].filter(sums => sums !== undefined)
    if (all.length === 0) return []
    const sum = (of: (sums: SloSums) => number): number => all.reduce((total, sums) => total + of(sums), 0)
    return {
      source,
      target: all[0]!.target,
      eligible: sum(({ eligible }) => eligible),
      good: sum(({ good }) => good),
      goodOutput: sum(({ goodOutput }) => goodOutput),
      errors: sum(({ missed }) => missed[0]!),
      missedTimeToFirstToken: sum(({ missed }) => missed[1]!),
      missedTimePerOutputToken: sum(({ missed }) => missed[2]!),
      missedDuration: sum(({ missed }) => missed[3]!),
    }
  })
