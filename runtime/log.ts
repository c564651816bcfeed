/** Structured log lines by pino, in one of two encodings: `json` for machines, `console` for people (the Collector's tab-separated form). */
import pino from 'pino'
import type { Clock, Log } from './component.js'
import { Repeats } from './repeats.js'

export type Level = 'debug' | 'info' | 'warn' | 'error'
export type Encoding = 'json' | 'console'
type Fields = Record<string, unknown>

/** What main.ts holds: a log that makes the logs of the components. */
export interface RootLog extends Log {
  /** A log whose lines all carry `fields`. */
  with(fields: Fields): RootLog
  /** Writes what was held back of repeated lines. */
  flush(): void
}

export interface LogOptions {
  readonly level: Level
  readonly encoding: Encoding
  readonly clock: Clock
  /** Where whole lines go; by default stderr, each line written before the call returns, so that the last one before an exit is not lost. */
  readonly write?: (line: string) => void
}

const STDERR = 2

const toStderr = (): ((line: string) => void) => {
  const stream = pino.destination({ dest: STDERR, sync: true })
  // Whoever read our stderr has gone: there is nobody left to tell.
  stream.on('error', () => {})
  return line => stream.write(line)
}

/** `2026-01-31T12:00:00.000Z	info	message	{"component":"otlp"}` */
const toConsole = (line: string): string => {
  const { ts, level, msg, ...fields } = JSON.parse(line) as Fields
  const rest = Object.keys(fields).length > 0 ? `\t${JSON.stringify(fields)}` : ''
  return `${ts}\t${level}\t${msg}${rest}\n`
}

/** Errors as text: name and message, and those of their causes. Stacks are for bugs; whoever logs one says so with a field of its own. */
const describe = (value: unknown): unknown => {
  if (!(value instanceof Error)) return value
  const cause = value.cause === undefined ? '' : `; caused by ${describe(value.cause)}`
  return `${value.name}: ${value.message}${cause}`
}

class PinoLog implements RootLog {
  constructor(
    private readonly pinoLog: pino.Logger,
    private readonly repeats: Repeats,
    private readonly scope: string,
  ) {}

  debug(message: string, fields?: Fields): void {
    this.line('debug', message, fields)
  }
  info(message: string, fields?: Fields): void {
    this.line('info', message, fields)
  }
  warn(message: string, fields?: Fields): void {
    this.line('warn', message, fields)
  }
  error(message: string, fields?: Fields): void {
    this.line('error', message, fields)
  }

  with(fields: Fields): RootLog {
    return new PinoLog(this.pinoLog.child(fields), this.repeats, `${this.scope}${JSON.stringify(fields)}`)
  }

  flush(): void {
    this.repeats.flush()
  }

  private line(level: Level, message: string, fields: Fields = {}): void {
    if (!this.pinoLog.isLevelEnabled(level)) return
    const tell = (repeated: number) => this.pinoLog[level]({ repeated }, message)
    if (this.repeats.pass(`${level} ${this.scope} ${message}`, tell)) this.pinoLog[level](fields, message)
  }
}

export const createLog = ({ level, encoding, clock, write = toStderr() }: LogOptions): RootLog => {
  const options: pino.LoggerOptions = {
    level,
    base: null,
    messageKey: 'msg',
    timestamp: () => `,"ts":"${new Date(clock.now()).toISOString()}"`,
    formatters: { level: label => ({ level: label }) },
    serializers: { error: describe },
  }
  const stream = { write: encoding === 'json' ? write : (line: string) => write(toConsole(line)) }
  return new PinoLog(pino(options, stream), new Repeats(clock), '')
}
