/** Why an exposition was refused: `reason` is fit for a counter's label, the message for a person. */
export class ExpositionError extends Error {
  override readonly name = 'ExpositionError'
  constructor(
    what: string,
    readonly reason: 'malformed' | 'invalid_utf8' | 'line_too_long' | 'truncated',
    /** 1 is the first line; 0 when no single line is to blame. */
    readonly line = 0,
  ) {
    super(line > 0 ? `line ${line}: ${what}` : what)
  }
}
