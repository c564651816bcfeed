import { Batch } from '../../proto/batch.js'
import type { OtlpSignal } from '../../proto/services.js'
import { GOLDEN } from '../../proto/testing/golden.js'
import { Writer } from '../../proto/wire.js'
import { harness } from '../../runtime/testing/harness.js'
import debug, { render } from './index.js'

const golden = (signal: OtlpSignal): Batch => Batch.of(signal, [GOLDEN[signal]], signal === 'metrics' ? 4 : 1)
const show = (signal: OtlpSignal, verbosity: 'basic' | 'normal' | 'detailed'): string[] =>
  render(golden(signal), signal, verbosity, 'debug', 0).trimEnd().split('\n')

/** What a program wrote to stdout while `run` ran. */
const stdoutOf = async (run: () => Promise<unknown>): Promise<string> => {
  const spy = jest.spyOn(process.stdout, 'write').mockImplementation((...args: unknown[]) => {
    text += args[0]
    const done = args.at(-1)
    if (typeof done === 'function') done()
    return true
  })
  let text = ''
  try {
    await run()
  } finally {
    spy.mockRestore()
  }
  return text
}

test.each([
  ['traces', 'Traces\t{"component":"debug","resource spans":1,"spans":1}'],
  ['metrics', 'Metrics\t{"component":"debug","resource metrics":1,"metrics":4,"data points":4}'],
  ['logs', 'Logs\t{"component":"debug","resource logs":1,"log records":1}'],
] as const)('basic: %s are counted in one line', (signal, line) => {
  expect(show(signal, 'basic')).toEqual([`1970-01-01T00:00:00.000Z\tinfo\t${line}`])
})

test('normal: about a line for each item', () => {
  expect(show('traces', 'normal').slice(1)).toEqual([
    'ResourceTraces #0 service.name=x',
    'ScopeTraces #0 s',
    'chat m 5b8efff798038103d269b633813fc60c eee19b7ec3c1b174 gen_ai.usage.input_tokens=100 t=0.5',
  ])
  expect(show('metrics', 'normal').slice(1)).toEqual([
    'ResourceMetrics #0',
    'ScopeMetrics #0',
    'a{} count=3 sum=1.5 le0.5=1 leInf=2',
    'e{} count=4 scale=-1 zero=1',
    'g{} -1',
    'c{} none',
  ])
  expect(show('logs', 'normal').slice(1)).toEqual(['ResourceLog #0', 'ScopeLog #0', '{"k":false,"n":-1} b="AP8=" empty= arr=["q"]'])
})

test('detailed: every field, in the Collector’s words', () => {
  expect(show('traces', 'detailed').slice(1)).toEqual([
    'ResourceSpans #0',
    'Resource attributes:',
    '     -> service.name: Str(x)',
    'ScopeSpans #0',
    'InstrumentationScope s',
    'Span #0',
    '    Trace ID       : 5b8efff798038103d269b633813fc60c',
    '    Parent ID      : ',
    '    ID             : eee19b7ec3c1b174',
    '    Name           : chat m',
    '    Kind           : Client',
    '    Start time     : 2018-12-13 14:51:00 +0000 UTC',
    '    End time       : 2018-12-13 14:51:01 +0000 UTC',
    '    Status code    : Error',
    '    Status message : ',
    'Attributes:',
    '     -> gen_ai.usage.input_tokens: Int(100)',
    '     -> t: Double(0.5)',
  ])
  const metrics = show('metrics', 'detailed')
  expect(metrics).toEqual(
    expect.arrayContaining(['     -> DataType: ExponentialHistogram', 'Bucket (0.0625000, 0.250000], Count: 1', 'Buckets #1, Count: 2']),
  )
  expect(metrics).toEqual(
    expect.arrayContaining(['Value: -1', 'Bucket [-0.25, 0.25], Count: 1', '     -> AggregationTemporality: Cumulative']),
  )
  expect(show('logs', 'detailed')).toEqual(
    expect.arrayContaining([
      'ObservedTimestamp: 1970-01-01 00:00:00.000000002 +0000 UTC',
      'EventName: ev',
      'Body: Map({"k":false,"n":-1})',
      '     -> b: Bytes("AP8=")',
      '     -> empty: Empty()',
      '     -> arr: Slice(["q"])',
    ]),
  )
})

test('events and links of a span are shown', () => {
  const request = new Writer().message(1, group =>
    group.message(2, scope =>
      scope.message(2, span =>
        span
          .message(11, event =>
            event
              .fixed64(1, 1n)
              .string(2, 'first token')
              .message(3, pair => pair.string(1, 'n').message(2, value => value.uint(3, 1))),
          )
          .message(13, link => link.bytes(1, new Uint8Array(16)).bytes(2, new Uint8Array(8).fill(1))),
      ),
    ),
  )
  expect(render(Batch.of('traces', [request.finish()], 1), 'traces', 'detailed', 'debug', 0)).toContain(
    [
      'Events:',
      'SpanEvent #0',
      '     -> Name: first token',
      '     -> Timestamp: 1970-01-01 00:00:00.000000001 +0000 UTC',
      '     -> Attributes:',
      '     -> n: Int(1)',
      'Links:',
      'SpanLink #0',
      '     -> Trace ID: 00000000000000000000000000000000',
      '     -> ID: 0101010101010101',
    ].join('\n'),
  )
})

test('telemetry cannot drive the terminal or fake a line, and what cannot be read is said', () => {
  const log = (body: (record: Writer) => Writer): Batch =>
    Batch.of('logs', [new Writer().message(1, group => group.message(2, scope => scope.message(2, body))).finish()], 1)
  const hostile = log(record => record.message(5, value => value.string(1, '\u001b[2Jgone\ninfo\tfake')))
  expect(render(hostile, 'logs', 'normal', 'debug', 0).split('\n').at(-2)).toBe('\\x1b[2Jgone\\ninfo\\x09fake')
  const broken = log(record => record.bytes(5, Uint8Array.of(0x0a, 0x7f)))
  expect(render(broken, 'logs', 'detailed', 'debug', 0)).toContain('(the rest of these logs cannot be read: malformed protobuf')
})

test('batches are printed, counted, and sampled by the second', async () => {
  const { context, clock, meter } = harness('debug')
  const exporter = debug.create(debug.config.parse({ sampling_initial: 1, sampling_thereafter: 3 }), context)
  await exporter.start?.()
  const text = await stdoutOf(async () => {
    for (let i = 0; i < 7; i++) await exporter.consume(golden('logs'))
    await clock.advance(1_000)
    await exporter.consume(golden('logs'))
  })
  expect(text.match(/Logs/g)).toHaveLength(4)
  expect(meter.sum('otelcol_exporter_sent_log_records', { exporter: 'debug' })).toBe(8)
  await exporter.stop?.(AbortSignal.abort())
})

test('a stdout that is gone harms nothing: the batch is acknowledged and the log says why nothing is seen', async () => {
  const { context, log } = harness('debug')
  const exporter = debug.create(debug.config.parse({}), context)
  const spy = jest.spyOn(process.stdout, 'write').mockImplementation((...args: unknown[]) => {
    ;(args.at(-1) as (error: Error) => void)(new Error('EPIPE'))
    return false
  })
  await exporter.consume(golden('logs'))
  spy.mockRestore()
  expect(log.at('warn')).toEqual(['stdout cannot be written; nothing is printed'])
})
