import { RetryableError } from './errors.js'
import { createLog, type LogOptions } from './log.js'
import { TestClock } from './testing/clock.js'

const open = (options: Partial<LogOptions> = {}) => {
  const lines: string[] = []
  const clock = new TestClock()
  const log = createLog({ level: 'info', encoding: 'json', clock, write: line => lines.push(line), ...options })
  return { lines, clock, log, parsed: () => lines.map(line => JSON.parse(line)) }
}

describe('log', () => {
  it('writes one JSON object a line, with the fields of the component and of the line', () => {
    const { log, lines, parsed } = open()
    log.with({ kind: 'exporter', component: 'otlp_http' }).warn('cannot send', { attempt: 3 })
    expect(lines[0]).toMatch(/^\{.*\}\n$/)
    expect(parsed()).toEqual([
      { level: 'warn', ts: '2027-01-15T08:00:00.000Z', kind: 'exporter', component: 'otlp_http', attempt: 3, msg: 'cannot send' },
    ])
  })

  it('writes tab-separated lines for people', () => {
    const { log, lines } = open({ encoding: 'console' })
    log.info('ready')
    log.with({ component: 'otlp' }).info('listening', { endpoint: 'localhost:4317' })
    expect(lines).toEqual([
      '2027-01-15T08:00:00.000Z\tinfo\tready\n',
      '2027-01-15T08:00:00.000Z\tinfo\tlistening\t{"component":"otlp","endpoint":"localhost:4317"}\n',
    ])
  })

  it('leaves out lines below the level', () => {
    const { log, lines } = open({ level: 'warn' })
    log.debug('a')
    log.info('b')
    log.error('c')
    expect(lines).toHaveLength(1)
  })

  it('writes an error with its causes and without its stack', () => {
    const { log, parsed } = open()
    log.error('failed', { error: new RetryableError('busy', 'queue_full', 5, { cause: new Error('ECONNREFUSED') }) })
    expect(parsed()[0].error).toBe('RetryableError: busy; caused by Error: ECONNREFUSED')
  })

  it('lets ten equal lines of a component through in ten seconds, then tells how many were held back', async () => {
    const { log, parsed, clock } = open()
    const [a, b] = [log.with({ component: 'a' }), log.with({ component: 'b' })]
    for (let i = 0; i < 100; i++) a.warn('cannot send', { attempt: i })
    b.warn('cannot send')
    expect(parsed()).toHaveLength(11)
    await clock.advance(10_000)
    expect(parsed().at(-1)).toMatchObject({ component: 'a', msg: 'cannot send', repeated: 90 })
    a.warn('cannot send')
    expect(parsed()).toHaveLength(13)
    expect(clock.pending).toBe(1)
  })

  it('tells what it held back when flushed at the end', () => {
    const { log, parsed, clock } = open()
    for (let i = 0; i < 12; i++) log.warn('cannot send')
    log.flush()
    expect(parsed().at(-1)).toMatchObject({ repeated: 2 })
    expect(clock.pending).toBe(0)
  })
})
