/** kafkajs's log lines on our log. Each failure it logs is also thrown to us and reported there, with what it means: its own lines are for debugging. */
import type { Log } from './ports.js'

export interface KafkajsLogger {
  info(message: string, extra?: object): void
  error(message: string, extra?: object): void
  warn(message: string, extra?: object): void
  debug(message: string, extra?: object): void
  namespace(name: string): KafkajsLogger
  setLogLevel(level: number): void
}

export const logBridge = (log: Log, part = 'kafkajs'): KafkajsLogger => {
  const line = (message: unknown, extra: object = {}): void => {
    const { stack: _stack, payload: _payload, data: _data, ...fields } = extra as Record<string, unknown>
    log.debug(String(message), { ...fields, part })
  }
  return {
    info: line,
    error: line,
    warn: line,
    // Every request and response: too many to make the objects for.
    debug: () => {},
    namespace: name => logBridge(log, `kafkajs.${name}`),
    setLogLevel: () => {},
  }
}
