import fc from 'fast-check'
import { Batch } from '../batch.js'
import { inspect } from '../inspect.js'
import { OTLP_SIGNALS, type OtlpSignal } from '../services.js'
import { GOLDEN } from '../testing/golden.js'
import { anyRequest, decode, requestType } from '../testing/oracle.js'
import { WireError, Writer } from '../wire.js'
import { fromJson, JsonError, toJson } from './index.js'

const utf8 = (text: string) => Uint8Array.from(Buffer.from(text))
const json = (signal: OtlpSignal, bytes: Uint8Array) => toJson(signal, Batch.of(signal, [bytes], 1))
const roundTrip = (signal: OtlpSignal, text: string) => JSON.parse(json(signal, fromJson(signal, text)))

/** A traces request with one span. */
const span = (fields: string) => `{"resourceSpans":[{"scopeSpans":[{"spans":[{${fields}}]}]}]}`
const attribute = (value: string) => span(`"attributes":[{"key":"k","value":${value}}]`)
const point = (fields: string) => `{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"gauge":{"dataPoints":[{${fields}}]}}]}]}]}`

describe('OTLP/JSON of the golden requests', () => {
  it('traces', () => {
    expect(JSON.parse(json('traces', GOLDEN.traces))).toEqual({
      resourceSpans: [
        {
          resource: { attributes: [{ key: 'service.name', value: { stringValue: 'x' } }] },
          scopeSpans: [
            {
              scope: { name: 's' },
              spans: [
                {
                  traceId: '5b8efff798038103d269b633813fc60c',
                  spanId: 'eee19b7ec3c1b174',
                  name: 'chat m',
                  kind: 3,
                  startTimeUnixNano: '1544712660000000000',
                  endTimeUnixNano: '1544712661000000000',
                  attributes: [
                    { key: 'gen_ai.usage.input_tokens', value: { intValue: '100' } },
                    { key: 't', value: { doubleValue: 0.5 } },
                  ],
                  status: { code: 2 },
                  flags: 257,
                },
              ],
            },
          ],
        },
      ],
    })
  })

  it('metrics', () => {
    const [group] = JSON.parse(json('metrics', GOLDEN.metrics)).resourceMetrics
    expect(group.scopeMetrics[0].metrics).toEqual([
      {
        name: 'a',
        unit: 's',
        histogram: {
          dataPoints: [
            { startTimeUnixNano: '1', timeUnixNano: '2', count: '3', sum: 1.5, bucketCounts: ['1', '2'], explicitBounds: [0.5] },
          ],
          aggregationTemporality: 2,
        },
      },
      {
        name: 'e',
        exponentialHistogram: {
          dataPoints: [
            {
              timeUnixNano: '2',
              count: '4',
              scale: -1,
              zeroCount: '1',
              positive: { offset: -2, bucketCounts: ['1', '300'] },
              zeroThreshold: 0.25,
            },
          ],
        },
      },
      { name: 'g', gauge: { dataPoints: [{ timeUnixNano: '2', asInt: '-1' }] } },
      { name: 'c', sum: { dataPoints: [{ timeUnixNano: '2', asDouble: 1, flags: 1 }], aggregationTemporality: 2, isMonotonic: true } },
    ])
  })

  it('logs', () => {
    const [group] = JSON.parse(json('logs', GOLDEN.logs)).resourceLogs
    expect(group.scopeLogs[0].logRecords).toEqual([
      {
        timeUnixNano: '1',
        observedTimeUnixNano: '2',
        severityNumber: 13,
        body: {
          kvlistValue: {
            values: [
              { key: 'k', value: { boolValue: false } },
              { key: 'n', value: { intValue: '-1' } },
            ],
          },
        },
        attributes: [
          { key: 'b', value: { bytesValue: 'AP8=' } },
          { key: 'empty', value: {} },
          { key: 'arr', value: { arrayValue: { values: [{ stringValue: 'q' }] } } },
        ],
        flags: 1,
        eventName: 'ev',
      },
    ])
  })

  it.each(OTLP_SIGNALS)('%s come back as the same bytes, from text and from UTF-8', signal => {
    const text = json(signal, GOLDEN[signal])
    expect(decode(requestType(signal), fromJson(signal, text))).toEqual(decode(requestType(signal), GOLDEN[signal]))
    expect(fromJson(signal, utf8(text))).toEqual(fromJson(signal, text))
    expect(text).not.toContain('\n')
  })
})

describe('there and back', () => {
  it('protobuf → JSON → protobuf says the same, to the last bit of every number', () => {
    const anySignal = fc.constantFrom(...OTLP_SIGNALS).chain(signal => fc.tuple(fc.constant(signal), anyRequest(signal)))
    fc.assert(
      fc.property(anySignal, ([signal, bytes]) => {
        const back = fromJson(signal, json(signal, bytes))
        expect(decode(requestType(signal), back)).toEqual(decode(requestType(signal), bytes))
        expect(inspect(signal, back)).toBe(inspect(signal, bytes))
      }),
      { numRuns: 300 },
    )
  })

  it.each([
    ['strings', '"1544712660000000001"'],
    ['numbers', '1544712660000000001'],
  ])('64-bit integers written as %s keep every digit', (_, time) => {
    const [group] = roundTrip('traces', span(`"name":"1234567890123456789","startTimeUnixNano":${time}`)).resourceSpans
    expect(group.scopeSpans[0].spans[0]).toEqual({ name: '1234567890123456789', startTimeUnixNano: '1544712660000000001' })
  })

  it.each([
    ['{"intValue":"-9223372036854775808"}', '{"intValue":"-9223372036854775808"}'],
    ['{"intValue":-9223372036854775808}', '{"intValue":"-9223372036854775808"}'],
    ['{"intValue":7}', '{"intValue":"7"}'],
    ['{"doubleValue":"NaN"}', '{"doubleValue":"NaN"}'],
    ['{"doubleValue":"-Infinity"}', '{"doubleValue":"-Infinity"}'],
    ['{"doubleValue":12345678901234567890}', '{"doubleValue":12345678901234567000}'],
    ['{"doubleValue":-0}', '{"doubleValue":-0}'],
    ['{"doubleValue":1}', '{"doubleValue":1}'],
    ['{"bytesValue":"-_8"}', '{"bytesValue":"+/8="}'],
    ['{"bytesValue":""}', '{"bytesValue":""}'],
    ['{"boolValue":false}', '{"boolValue":false}'],
    ['{"stringValue":""}', '{"stringValue":""}'],
    ['{"kvlistValue":{}}', '{"kvlistValue":{}}'],
    ['{}', '{}'],
    ['{"stringValue":null}', '{}'],
    ['{"stringValueStrindex":3}', '{}'],
  ])('the value %s is read and written as %s', (read, written) => {
    expect(json('traces', fromJson('traces', attribute(read)))).toBe(attribute(written))
  })

  it('a message that came in pieces is one, a later member of a oneof takes the place of an earlier one', () => {
    const bytes = new Writer()
      .message(1, group =>
        group.message(2, scope =>
          scope.message(2, span => {
            span.message(15, status => status.string(2, 'no')).message(9, pair => pair.message(2, value => value.string(1, 'x').uint(2, 1)))
            span
              .message(15, status => status.uint(3, 2))
              .message(9, pair =>
                pair.message(2, value =>
                  value.message(5, list => list.bytes(1, new Uint8Array(0))).message(5, list => list.message(1, one => one.uint(2, 0))),
                ),
              )
          }),
        ),
      )
      .finish()
    const values = [{ value: { boolValue: true } }, { value: { arrayValue: { values: [{}, { boolValue: false }] } } }]
    expect(JSON.parse(json('traces', bytes)).resourceSpans[0].scopeSpans[0].spans[0]).toEqual({
      attributes: values,
      status: { message: 'no', code: 2 },
    })
  })

  it('a million pieces of one message take no longer than their bytes', () => {
    const group = new Writer()
    for (let piece = 0; piece < 1e6; piece++) group.message(1, resource => resource.uint(2, 1))
    const bytes = new Writer().bytes(1, group.finish()).finish()
    expect(json('traces', bytes)).toBe('{"resourceSpans":[{"resource":{"droppedAttributesCount":1}}]}')
  })

  it('keys like __proto__ are ordinary data, and pollute nothing', () => {
    const text = attribute(
      '{"kvlistValue":{"values":[{"key":"__proto__","value":{"stringValue":"x"}},{"key":"constructor","value":{"intValue":"1"}}]}}',
    )
    expect(json('traces', fromJson('traces', text))).toBe(text)
    expect(fromJson('traces', '{"__proto__":{"resourceSpans":[{}]},"constructor":1}')).toHaveLength(0)
    expect(({} as Record<string, unknown>).resourceSpans).toBeUndefined()
  })

  it.each([
    ['unknown keys', '{"resource_spans":[1],"x":{"y":[]},"resourceSpans":[{"scopeSpans":[],"q":1}]}', '{"resourceSpans":[{}]}'],
    ['null for absent', '{"resourceSpans":null}', '{}'],
    ['hex ids in capitals', span('"spanId":"EEE19B7EC3C1B174"'), span('"spanId":"eee19b7ec3c1b174"')],
    ['empty ids', span('"spanId":""'), span('"spanId":""')],
    ['enums by name', span('"kind":"SPAN_KIND_SERVER"'), span('"kind":2')],
    ['enums nobody knows', span('"kind":77'), span('"kind":77')],
    ['negative enums', span('"kind":-1'), span('"kind":-1')],
    [
      '32-bit numbers as strings',
      span('"flags":"257","droppedLinksCount":"4294967295"'),
      span('"droppedLinksCount":4294967295,"flags":257'),
    ],
  ])('reads %s', (_, text, written) => {
    expect(json('traces', fromJson('traces', text))).toBe(written)
  })

  it('reads metrics with numbers for counts and temporality by name', () => {
    const text =
      '{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"histogram":{"dataPoints":[{"count":3,"bucketCounts":[1,"2"],"explicitBounds":[0.5]}],"aggregationTemporality":"AGGREGATION_TEMPORALITY_DELTA"}}]}]}]}'
    expect(roundTrip('metrics', text).resourceMetrics[0].scopeMetrics[0].metrics[0].histogram).toEqual({
      dataPoints: [{ count: '3', bucketCounts: ['1', '2'], explicitBounds: [0.5] }],
      aggregationTemporality: 1,
    })
  })
})

describe('refuses, and says where', () => {
  const at = 'resourceSpans[0].scopeSpans[0].spans[0]'
  it.each([
    ['half a text', '{"resourceSpans":[', 'malformed OTLP/JSON: JSON that is cut short'],
    ['no text', '', 'JSON that is cut short'],
    ['what is no JSON', '{"resourceSpans":[1 2]}', 'malformed OTLP/JSON: no JSON at character 20'],
    ['a list at the top', '[]', 'malformed OTLP/JSON: expected an object, got a list'],
    ['a number at the top', '3', 'expected an object, got 3'],
    ['an object for a list', '{"resourceSpans":{}}', 'at resourceSpans: expected a list, got an object'],
    ['null in a list', '{"resourceSpans":[null]}', 'at resourceSpans[0]: expected an object, got null'],
    [
      'an id with other letters',
      span('"traceId":"zz8efff798038103d269b633813fc60c"'),
      `at ${at}.traceId: expected 32 hex digits, got "zz8e`,
    ],
    ['an id in base64', span('"spanId":"7uGbfsPBsXQ="'), `at ${at}.spanId: expected 16 hex digits`],
    ['an id of a wrong length', span('"spanId":"eee1"'), `at ${at}.spanId: expected 16 hex digits, got "eee1"`],
    ['a name that is a number', span('"name":5'), `at ${at}.name: expected a string, got 5`],
    [
      'a time that is a fraction',
      span('"startTimeUnixNano":1.5'),
      `at ${at}.startTimeUnixNano: expected an unsigned 64-bit integer, got 1.5`,
    ],
    ['a negative time', span('"startTimeUnixNano":"-1"'), 'expected an unsigned 64-bit integer, got "-1"'],
    [
      'an integer of 65 bits',
      attribute('{"intValue":"9223372036854775808"}'),
      'expected a signed 64-bit integer, got "9223372036854775808"',
    ],
    ['an integer of a million digits', attribute(`{"intValue":"${'9'.repeat(1e6)}"}`), `got "${'9'.repeat(39)}…`],
    ['a count of 33 bits', span('"droppedLinksCount":4294967296'), 'expected an unsigned 32-bit integer'],
    ['an enum name nobody knows', span('"kind":"SERVER"'), `at ${at}.kind: expected a signed 32-bit integer, got "SERVER"`],
    ['truth as text', attribute('{"boolValue":"true"}'), 'expected true or false, got "true"'],
    ['broken base64', attribute('{"bytesValue":"a*"}'), 'attributes[0].value.bytesValue: expected base64 text, got "a*"'],
    ['base64 of an impossible length', attribute('{"bytesValue":"abcde"}'), 'expected base64 text'],
    ['two values in one', attribute('{"intValue":"1","stringValue":"x"}'), 'only one of intValue and stringValue may be set'],
  ])('%s', (_, text, message) => {
    expect(() => fromJson('traces', text)).toThrow(message)
    expect(() => fromJson('traces', text)).toThrow(JsonError)
  })

  it('a double that is none', () => {
    expect(() => fromJson('metrics', point('"asDouble":"1,5"'))).toThrow('asDouble: expected a number, got "1,5"')
  })

  it('bytes that are no UTF-8', () => {
    expect(() => fromJson('traces', Uint8Array.of(0x22, 0xff, 0x22))).toThrow('malformed OTLP/JSON: the text is not UTF-8')
  })

  it('does not repeat the text in the error, for it may hold a secret', () => {
    for (const text of ['{"token": s3cret}', '{"token":"s3cret" 1}', '{"token":"s3cret'])
      expect(() => fromJson('traces', text)).not.toThrow(/s3cret/)
  })

  it('values nested deeper than 64, from both sides, however deep', () => {
    const nested = (depth: number) => attribute(`${'{"arrayValue":{"values":['.repeat(depth)}{}${']}}'.repeat(depth)}`)
    expect(json('traces', fromJson('traces', nested(64)))).toBe(nested(64))
    expect(() => fromJson('traces', nested(65))).toThrow('an attribute value is nested deeper than 64')
    expect(() => fromJson('traces', nested(10_000))).toThrow(JsonError)
    expect(() => fromJson('traces', '['.repeat(1e6))).toThrow(JsonError)
    let value = new Uint8Array(0)
    for (let depth = 0; depth < 10_000; depth++) value = Uint8Array.from(new Writer().message(5, list => list.bytes(1, value)).finish())
    const bytes = new Writer().message(1, group => group.message(2, scope => scope.message(2, log => log.bytes(5, value)))).finish()
    expect(() => json('logs', bytes)).toThrow(WireError)
  })

  it('any text or any bytes, without a crash', () => {
    fc.assert(
      fc.property(fc.constantFrom(...OTLP_SIGNALS), fc.oneof(fc.json(), fc.string()), (signal, text) => {
        try {
          fromJson(signal, text)
        } catch (error) {
          expect(error).toBeInstanceOf(JsonError)
        }
      }),
      { numRuns: 500 },
    )
    fc.assert(
      fc.property(fc.constantFrom(...OTLP_SIGNALS), fc.array(fc.tuple(fc.nat(400), fc.nat(255)), { maxLength: 4 }), (signal, changes) => {
        const bytes = GOLDEN[signal].slice()
        for (const [place, value] of changes) bytes[place % bytes.length] = value
        try {
          JSON.parse(json(signal, bytes))
        } catch (error) {
          expect(error).toBeInstanceOf(WireError)
        }
      }),
      { numRuns: 1000 },
    )
  })

  it('events, which are no OTLP signal', () => {
    expect(() => fromJson('events', '{}')).toThrow(RangeError)
    expect(() => toJson('events', Batch.of('events', [], 0))).toThrow(RangeError)
  })
})
