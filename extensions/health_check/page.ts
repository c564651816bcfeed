/** The answer to a probe, as the Collector's health_check extension words it. */
import type { Page } from '../../runtime/page-server.js'

export interface FixedBodies {
  readonly healthy?: string | undefined
  readonly unhealthy?: string | undefined
}

/** `1h2m3.5s`, Go's way to write a span of time. */
const goDuration = (ms: number): string => {
  const whole = Math.floor(ms / 60_000)
  const [hours, minutes] = [Math.floor(whole / 60), whole % 60]
  const seconds = `${Math.round(ms - whole * 60_000) / 1_000}s`
  if (hours > 0) return `${hours}h${minutes}m${seconds}`
  return minutes > 0 ? `${minutes}m${seconds}` : seconds
}

/** `readySince` and `now`: milliseconds since the epoch. Status 200 when ready, 503 otherwise. `problem`: what has failed, which the Collector's page has no field for. */
export const healthPage = (readySince: number | undefined, now: number, fixed: FixedBodies, problem?: string): Page => {
  const ready = readySince !== undefined
  const body = ready ? fixed.healthy : fixed.unhealthy
  const status = ready ? 200 : 503
  if (body !== undefined) return { status, type: 'text/plain; charset=utf-8', body }
  const said = ready
    ? { status: 'Server available', upSince: new Date(readySince).toISOString(), uptime: goDuration(now - readySince) }
    : { status: 'Server not available', upSince: '0001-01-01T00:00:00Z', uptime: '', ...(problem !== undefined && { problem }) }
  return { status, type: 'application/json', body: JSON.stringify(said) }
}
