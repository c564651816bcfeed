import { readFileSync } from 'node:fs'
import { formatNumber, render } from './exposition.js'
import { ITEM_NAMES, PROCESSOR_INCOMING, PROCESSOR_OUTGOING, receiverAccepted, receiverFailed, receiverRefused } from './names.js'
import { Registry } from './registry.js'

const collector = readFileSync('test/fixtures/collector-0.155-own-telemetry.txt', 'utf8')

describe('exposition', () => {
  it("writes the Collector's families byte for byte, from its own page", () => {
    const registry = new Registry()
    const labels = { receiver: 'otlp', transport: 'http' }
    for (const { name, help } of [receiverRefused('traces'), receiverAccepted('traces'), receiverFailed('traces')])
      registry.counter(name, help, labels)
    registry.counter(receiverAccepted('traces').name, '', labels).add(1)
    for (const { name, help } of [PROCESSOR_OUTGOING, PROCESSOR_INCOMING])
      registry.counter(name, help, { processor: 'memory_limiter', otel_signal: 'traces' }).add(1)
    const bounds = [10, 25, 50, 75, 100, 250, 500, 750, 1e3, 2e3, 3e3, 4e3, 5e3, 6e3, 7e3, 8e3, 9e3, 1e4, 2e4, 3e4, 5e4, 1e5]
    registry
      .histogram('otelcol_processor_batch_batch_send_size', 'Number of units in the batch [Development]', bounds, { processor: 'batch' })
      .record(1)
    const rss = { name: 'otelcol_process_memory_rss', help: 'Total physical memory (resident set size) [Alpha]' }
    registry.gauge(rss.name, rss.help, {}, () => 31_313_920)

    const written = render(registry.collect())
    const names = [...written.matchAll(/^# TYPE (\S+)/gm)].map(match => match[1]!)
    const theirs = names.map(name => collector.match(new RegExp(`# HELP ${name} .*\n# TYPE ${name} .*\n(?:${name}.*\n)+`))?.[0])
    expect(names).toHaveLength(7)
    expect(written).toBe(theirs.join(''))
  })

  it('escapes what would break a line and leaves out a gauge that cannot be read', () => {
    const registry = new Registry()
    registry.counter('a', 'one\nline \\', { path: 'C:\\x "y"\n' }).add(2)
    registry.gauge('b', 'broken', {}, () => {
      throw new Error('gone')
    })
    expect(render(registry.collect())).toBe('# HELP a one\\nline \\\\\n# TYPE a counter\na{path="C:\\\\x \\"y\\"\\n"} 2\n')
  })

  it.each([
    [0, '0'],
    [0.01, '0.01'],
    [0.00001, '1e-05'],
    [999_999, '999999'],
    [1_000_000, '1e+06'],
    [31_313_920, '3.131392e+07'],
    [1.5e100, '1.5e+100'],
    [-2_500_000, '-2.5e+06'],
    [Number.POSITIVE_INFINITY, '+Inf'],
    [Number.NaN, 'NaN'],
  ])('writes %p as Go does: %s', (value, text) => {
    expect(formatNumber(value)).toBe(text)
  })

  it('has a name for the items of every signal', () => {
    expect(Object.values(ITEM_NAMES)).toEqual(['spans', 'metric_points', 'log_records', 'events'])
  })
})
