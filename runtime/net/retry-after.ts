/** Milliseconds of a Retry-After header: whole seconds or an HTTP date; undefined when it is neither. `now` is wall time, milliseconds. */
export const retryAfter = (header: string | undefined, now: number): number | undefined => {
  const text = header?.trim()
  if (!text) return undefined
  if (/^\d+$/.test(text)) return Number(text) * 1_000
  const date = Date.parse(text)
  return Number.isNaN(date) ? undefined : Math.max(0, date - now)
}
