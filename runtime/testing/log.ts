/** A log that is kept instead of written. */
import type { Level, RootLog } from '../log.js'

export interface Line {
  readonly level: Level
  readonly message: string
  readonly fields: Readonly<Record<string, unknown>>
}

export class TestLog implements RootLog {
  constructor(
    readonly lines: Line[] = [],
    private readonly fixed: Record<string, unknown> = {},
  ) {}

  debug(message: string, fields?: Record<string, unknown>): void {
    this.line('debug', message, fields)
  }
  info(message: string, fields?: Record<string, unknown>): void {
    this.line('info', message, fields)
  }
  warn(message: string, fields?: Record<string, unknown>): void {
    this.line('warn', message, fields)
  }
  error(message: string, fields?: Record<string, unknown>): void {
    this.line('error', message, fields)
  }
  with(fields: Record<string, unknown>): TestLog {
    return new TestLog(this.lines, { ...this.fixed, ...fields })
  }
  flush(): void {}

  /** Messages at `level`. */
  at(level: Level): string[] {
    return this.lines.filter(line => line.level === level).map(line => line.message)
  }

  private line(level: Level, message: string, fields: Record<string, unknown> = {}): void {
    this.lines.push({ level, message, fields: { ...this.fixed, ...fields } })
  }
}
