import fc from 'fast-check'
import type { Format, MetricType } from './cursor.js'
import { Cursor, END, SAMPLE } from './cursor.js'
import { ExpositionError } from './error.js'
import { Lines } from './lines.js'
import { parseNumber, printBound, printNumber, readNumber } from './number.js'
import { type Family, readExposition, type Sample } from './read.js'
import { writeExposition } from './write.js'

const read = (text: string, format: Format = 'text'): Family[] => readExposition(Buffer.from(text), format)
const samples = (text: string, format: Format = 'text'): Sample[] => read(text, format).flatMap(family => family.samples)
const refusal = (text: string | Buffer, format: Format = 'text'): string => {
  try {
    readExposition(Buffer.from(text), format)
  } catch (error) {
    if (error instanceof ExpositionError) return `${error.reason}: ${error.message}`
    throw error
  }
  return 'accepted'
}

const text = fc.string({ unit: 'binary', maxLength: 12 })
const number = fc.oneof(fc.double(), fc.integer(), fc.constantFrom(Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, -0))
const labels = fc.uniqueArray(fc.record({ name: fc.oneof(fc.constantFrom('le', 'gpu', 'UUID'), text), value: text }), {
  selector: label => label.name,
  maxLength: 5,
})
const named = labels.map(all => all.filter(label => label.name !== '' && label.name !== '__name__'))
const time = fc.option(fc.integer({ min: 0, max: 4e12 }), { nil: undefined })
const OPENMETRICS_TYPES: MetricType[] = ['counter', 'gauge', 'histogram', 'summary', 'info', 'stateset', 'gaugehistogram', 'unknown']
const TEXT_TYPES: MetricType[] = ['counter', 'gauge', 'histogram', 'summary', 'unknown']

const withoutUndefined = <T extends object>(value: T): T =>
  Object.fromEntries(Object.entries(value).filter(([, each]) => each !== undefined)) as T

const families = (format: Format): fc.Arbitrary<Family[]> => {
  const exemplar = fc.record({ labels: named, value: number, timestamp: time }).map(withoutUndefined)
  const sample = fc.record({
    labels: named,
    value: number,
    timestamp: time,
    exemplar: format === 'openmetrics' ? fc.option(exemplar, { nil: undefined }) : fc.constant(undefined),
  })
  const family = fc.record({
    name: fc.oneof(fc.constantFrom('vllm:num_requests_running', 'DCGM_FI_DEV_GPU_UTIL'), text),
    type: fc.constantFrom(...(format === 'openmetrics' ? OPENMETRICS_TYPES : TEXT_TYPES)),
    help: fc.option(text, { nil: undefined }),
    unit: format === 'openmetrics' ? fc.constantFrom(undefined, 'seconds') : fc.constant(undefined),
    samples: fc.array(sample, { maxLength: 4 }),
  })
  return fc.array(family, { maxLength: 5 }).map(all =>
    all.map((each, index) => {
      // Unique, and the suffix of no other.
      const name = `${each.name}${index}x`
      const written = each.samples.map(sample => withoutUndefined({ ...sample, name }) as Sample)
      return withoutUndefined({ ...each, name, samples: written }) as Family
    }),
  )
}

describe.each<Format>(['text', 'openmetrics'])('an exposition in %s', format => {
  test('reads back as the families it was written from, whatever their names, labels and numbers', () => {
    fc.assert(fc.property(families(format), all => expect(read(writeExposition(all, format), format)).toEqual(all)))
  })

  test('reads the same however the network cuts it', () => {
    fc.assert(
      fc.property(families(format), fc.array(fc.nat(400)), (all, cuts) => {
        const whole = Buffer.from(writeExposition(all, format))
        const edges = [0, ...cuts.map(cut => Math.min(cut, whole.length)).sort((a, b) => a - b), whole.length]
        const pieces: string[] = []
        const lines = new Lines((bytes, start, end) => pieces.push(bytes.toString('utf8', start, end)))
        for (let i = 1; i < edges.length; i++) lines.feed(whole.subarray(edges[i - 1], edges[i]))
        expect(lines.end()).toBe(true)
        expect(pieces.join('')).toBe(whole.toString())
        for (const piece of pieces) expect(piece.endsWith('\n')).toBe(true)
      }),
    )
  })

  test('ends with families or an ExpositionError whatever bytes are sent', () => {
    const word = fc.constantFrom(
      '# TYPE ',
      '# HELP ',
      '# EOF',
      'a',
      ' ',
      '{',
      '}',
      '"',
      '\\',
      '=',
      ',',
      '1',
      'e',
      '\n',
      '\t',
      '#',
      '\u{1F600}',
    )
    fc.assert(
      fc.property(
        fc.oneof(
          fc.uint8Array({ maxLength: 60 }),
          fc.array(word, { maxLength: 30 }).map(all => Buffer.from(all.join(''))),
        ),
        bytes => {
          try {
            readExposition(bytes, format)
          } catch (error) {
            expect(error).toBeInstanceOf(ExpositionError)
          }
        },
      ),
      { numRuns: 1000 },
    )
  })
})

describe('numbers', () => {
  test('any double reads back exactly, printed shortest, with an exponent or with too many digits', () => {
    fc.assert(
      fc.property(fc.double(), fc.integer({ min: 1, max: 21 }), (value, digits) => {
        for (const printed of [
          printNumber(value),
          value.toExponential(),
          value.toPrecision(digits),
          value.toExponential().replace('e', 'E'),
        ]) {
          const bytes = Buffer.from(`<${printed}>`)
          expect(readNumber(bytes, 1, bytes.length - 1)).toBe(Number.isFinite(value) ? Number(printed) : value)
        }
      }),
    )
  })

  test.each(['', '+', '.', 'e5', '1e', '1e+', '1_000', '0x10', '1.2.3', '1e5e5', 'infinit', '--1', '1 ', 'NaN0'])('%j is none', written => {
    expect(readNumber(Buffer.from(written), 0, written.length)).toBeUndefined()
    expect(parseNumber(written)).toBeUndefined()
  })

  test.each([
    ['+Inf', Number.POSITIVE_INFINITY],
    ['-inf', Number.NEGATIVE_INFINITY],
    ['Infinity', Number.POSITIVE_INFINITY],
    ['nan', Number.NaN],
    ['1.', 1],
    ['.5', 0.5],
    ['+7', 7],
    ['1.7e+09', 1.7e9],
    ['1e-400', 0],
  ])('%s is %d', (written, value) => {
    expect(readNumber(Buffer.from(written), 0, written.length)).toBe(value)
  })
})

describe('the text format', () => {
  test('keeps names with colons, reads escapes, timestamps, blanks and comments', () => {
    const body = [
      '# just a comment',
      '#TYPE not one either',
      '',
      '# HELP vllm:num_requests_running Running \\"now\\",\\na \\\\ b',
      '# TYPE vllm:num_requests_running gauge',
      'vllm:num_requests_running{model_name="a\\"b\\\\c\\nd\\q",engine="0",} 3.0 1700000000123',
      '  spaced {\ta = "b" , } \t 4 -1',
      'tight{a="}"}5',
      'bare 6',
      '',
    ].join('\n')
    expect(read(body)).toEqual([
      {
        name: 'vllm:num_requests_running',
        type: 'gauge',
        help: 'Running \\"now\\",\na \\ b',
        samples: [
          {
            name: 'vllm:num_requests_running',
            labels: [
              { name: 'model_name', value: 'a"b\\c\nd\\q' },
              { name: 'engine', value: '0' },
            ],
            value: 3,
            timestamp: 1700000000123,
          },
        ],
      },
      {
        name: 'spaced',
        type: 'unknown',
        samples: [{ name: 'spaced', labels: [{ name: 'a', value: 'b' }], value: 4, timestamp: -1 }],
      },
      { name: 'tight', type: 'unknown', samples: [{ name: 'tight', labels: [{ name: 'a', value: '}' }], value: 5 }] },
      { name: 'bare', type: 'unknown', samples: [{ name: 'bare', labels: [], value: 6 }] },
    ])
  })

  test('reads quoted names of Prometheus 3', () => {
    expect(read('# TYPE "hw.gpu.utilization" gauge\n{"hw.gpu.utilization","hw.id"="GPU-1"} 0.5\n')).toEqual([
      {
        name: 'hw.gpu.utilization',
        type: 'gauge',
        samples: [{ name: 'hw.gpu.utilization', labels: [{ name: 'hw.id', value: 'GPU-1' }], value: 0.5 }],
      },
    ])
  })

  test('takes a last line without newline', () => {
    expect(samples('a 1\nb 2')).toHaveLength(2)
  })

  test.each([
    ['a', 'malformed: line 1: expected a number, found ""'],
    ['ok 1\na b', 'malformed: line 2: expected a number, found "b"'],
    ['a 1 2 3', 'malformed: line 1: expected the end of the line, found "3"'],
    ['a 1 1.5', 'malformed: line 1: expected a timestamp, found "1.5"'],
    ['a 1 # {} 1', 'malformed: line 1: expected the end of the line, found "#"'],
    ['a{b="c" 1', 'malformed: line 1: "{" without "}", or a quoted text without end'],
    ['a{b="c} 1', 'malformed: line 1: "{" without "}", or a quoted text without end'],
    ['a{b=c} 1', 'malformed: line 1: expected a quoted value for label "b"'],
    ['a{b="c"d="e"} 1', 'malformed: line 1: expected "," or "}" after a label'],
    ['a{b="1",b="2"} 1', 'malformed: line 1: label "b" appears twice'],
    ['a{b:c="1"} 1', 'malformed: line 1: expected "=" after label name "b"'],
    ['a{,} 1', 'malformed: line 1: expected a label name'],
    ['a{"b"} 1', 'malformed: line 1: expected "=" after label name "b"'],
    ['{} 1', 'malformed: line 1: expected a metric name'],
    ['{b="c"} 1', 'malformed: line 1: expected a metric name'],
    ['1a 1', 'malformed: line 1: expected a metric name'],
    ['<html>', 'malformed: line 1: expected a metric name'],
    ['a 1\r', 'malformed: line 1: expected a number, found "1\\r"'],
    ['# TYPE a banana', 'malformed: line 1: unknown metric type "banana"'],
    ['# TYPE', 'malformed: line 1: expected a metric name after # TYPE'],
    ['# HELP a-b c', 'malformed: line 1: expected a metric name after # HELP'],
    [Buffer.from([0x61, 0x7b, 0x62, 0x3d, 0x22, 0xff, 0x22, 0x7d, 0x20, 0x31]), 'invalid_utf8: line 1: text is not UTF-8'],
    ['a'.repeat(1024 * 1024 + 1), 'line_too_long: a line is longer than 1 MiB'],
  ])('refuses case %#', (body, expected) => {
    expect(refusal(body)).toBe(expected)
  })
})

describe('OpenMetrics', () => {
  test('reads units, exemplars and fractions of seconds', () => {
    const body = [
      '# TYPE latency_seconds histogram',
      '# UNIT latency_seconds seconds',
      '# HELP latency_seconds How \\"long\\".',
      'latency_seconds_bucket{le="0.5"} 3 # {trace_id="0af7651916cd43dd8448eb211c80319c"} 0.25 1520879607.789',
      'latency_seconds_bucket{le="+Inf"} 4 1520879607.789 # {} 0.75',
      'latency_seconds_count 4',
      'latency_seconds_sum 1.25',
      'latency_seconds_created 1520870000.5',
      '# EOF',
      '',
    ].join('\n')
    const [family, ...others] = read(body, 'openmetrics')
    expect(others).toEqual([])
    expect(family).toMatchObject({ type: 'histogram', unit: 'seconds', help: 'How "long".' })
    expect(family?.samples.map(sample => [sample.name, sample.value, sample.timestamp])).toEqual([
      ['latency_seconds_bucket', 3, undefined],
      ['latency_seconds_bucket', 4, 1520879607789],
      ['latency_seconds_count', 4, undefined],
      ['latency_seconds_sum', 1.25, undefined],
      ['latency_seconds_created', 1520870000.5, undefined],
    ])
    expect(family?.samples[0]?.exemplar).toEqual({
      labels: [{ name: 'trace_id', value: '0af7651916cd43dd8448eb211c80319c' }],
      value: 0.25,
      timestamp: 1520879607789,
    })
    expect(family?.samples[1]?.exemplar).toEqual({ labels: [], value: 0.75 })
  })

  test.each([
    ['a 1\n', 'truncated: no # EOF: the exposition is not whole'],
    ['# EOF\na 1\n', 'malformed: line 2: text after # EOF'],
    ['# EOF\n\n', 'malformed: line 2: text after # EOF'],
    ['\n# EOF\n', 'malformed: line 1: expected a metric name'],
    ['# a comment\n# EOF\n', 'malformed: line 1: a comment that is none of HELP, TYPE, UNIT and EOF'],
    ['a 1 # {b="c"}\n# EOF\n', 'malformed: line 1: expected an exemplar {label="value",…} value [timestamp]'],
    ['a 1 # b\n# EOF\n', 'malformed: line 1: expected an exemplar {label="value",…} value [timestamp]'],
  ])('refuses %j', (body, expected) => {
    expect(refusal(body, 'openmetrics')).toBe(expected)
  })
})

test('a remembered series is recognised only where the line says exactly it', () => {
  const recognised = (line: string, known: string): boolean => {
    const bytes = Buffer.from(`${line}\n`)
    const cursor = new Cursor('text')
    cursor.reset(bytes, 0, bytes.length)
    expect(cursor.next()).toBe(SAMPLE)
    const key = Buffer.from(known)
    if (!cursor.isAt(key, 0, key.length)) return false
    cursor.readSample()
    expect(cursor.next()).toBe(END)
    return true
  }
  expect(recognised('a{b="c"} 1', 'a{b="c"}')).toBe(true)
  expect(recognised('a{b="c"}1', 'a{b="c"}')).toBe(true)
  expect(recognised('a 1', 'a')).toBe(true)
  expect(recognised('ab 1', 'a')).toBe(false)
  expect(recognised('a {b="c"} 1', 'a')).toBe(false)
  expect(recognised('a{b="c"} 1', 'a')).toBe(false)
  expect(recognised('a 1', 'a{b="c"} and more')).toBe(false)
})

test('bounds are written as Prometheus 3 keeps them', () => {
  const bounds = [0, 1, 0.5, 2.5, 100_000, 1e6, 1_234_567, 1e-5, 1e21, Number.POSITIVE_INFINITY]
  expect(bounds.map(printBound)).toEqual(['0.0', '1.0', '0.5', '2.5', '100000.0', '1e+06', '1.234567e+06', '1e-05', '1e+21', '+Inf'])
})
