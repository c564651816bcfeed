/** `*` and `?` patterns over whole values. */
const literal = (text: string): string => text.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&')

/** Patterns come from configuration, values from telemetry: a pattern is literal text between wildcards and nothing else. */
export const matcher = (pattern: string): ((value: string) => boolean) => {
  if (!/[*?]/.test(pattern)) return value => value === pattern
  const source = pattern
    .replaceAll(/\*+/g, '*')
    .split(/([*?])/)
    .map(part => (part === '*' ? '[^]*?' : part === '?' ? '[^]' : literal(part)))
    .join('')
  const expression = new RegExp(`^${source}$`)
  return value => expression.test(value)
}
