import fc from 'fast-check'
import { z } from 'zod'
import { byteSize, duration, endpoint, headers, parseByteSize, parseDuration, parseEndpoint, secret, url } from './options.js'

test.each([
  ['0', 0],
  ['200ms', 200],
  ['5s', 5_000],
  ['1h2m3s', 3_723_000],
  ['1.5h', 5_400_000],
  ['.5s', 500],
  ['3us', 0.003],
  ['3µs', 0.003],
  ['1000000ns', 1],
])('duration %s is %d ms', (text, expected) => expect(parseDuration(text)).toBeCloseTo(expected, 9))

test.each(['', '5', '-5s', '5 s', '5d', 's', '1h2', 'h1', '1e3s', '١s'])('%j is no duration', text =>
  expect(parseDuration(text)).toBeUndefined(),
)

test.each([
  ['0', 0],
  ['4096', 4_096],
  ['64MiB', 67_108_864],
  ['10GB', 10_000_000_000],
  ['10 GB', 10_000_000_000],
  ['1.5KiB', 1_536],
  ['7B', 7],
])('size %s is %d bytes', (text, expected) => expect(parseByteSize(text)).toBe(expected))

test.each(['', '-1', 'MiB', '1iB', '1 PB', '1e3', '9007199254740993', '10mb'])('%j is no size', text =>
  expect(parseByteSize(text)).toBeUndefined(),
)

test.each([
  ['localhost:4317', 'localhost', 4_317],
  ['[::1]:0', '::1', 0],
  [':8888', '', 8_888],
])('endpoint %s comes apart', (text, host, port) => expect(parseEndpoint(text)).toEqual({ host, port }))

test.each(['localhost', '::1:80', 'a:b', 'localhost:65536', 'http://x:80', 'a b:1', ''])('%j is no endpoint', text =>
  expect(parseEndpoint(text)).toBeUndefined(),
)

test('every duration written part by part is read as the sum of its parts', () => {
  const unit = fc.constantFrom('ms', 's', 'm', 'h')
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(10_000), unit), { minLength: 1, maxLength: 4 }), parts => {
      const factor = { ms: 1, s: 1e3, m: 6e4, h: 3.6e6 }
      const sum = parts.reduce((total, [amount, name]) => total + amount * factor[name], 0)
      expect(parseDuration(parts.map(part => part.join('')).join(''))).toBe(sum)
    }),
  )
})

test('defaults are read like what a person writes, and every option says what it may be in JSON Schema', () => {
  const options = z.strictObject({
    timeout: duration('5s').describe('how long'),
    limit: byteSize('64MiB').describe('how much'),
    endpoint: endpoint('localhost:4317').describe('where'),
    url: url().optional().describe('whither'),
    token: secret().optional().describe('who'),
    headers: headers().default({}).describe('what else'),
  })
  expect(options.parse({})).toEqual({ timeout: 5_000, limit: 67_108_864, endpoint: 'localhost:4317', headers: {} })
  expect(options.parse({ timeout: 0, limit: 12 })).toMatchObject({ timeout: 0, limit: 12 })
  expect(z.toJSONSchema(options, { io: 'input', target: 'draft-7' }).properties).toMatchObject({
    timeout: { type: ['string', 'integer'], default: '5s', description: 'how long' },
    limit: { type: ['string', 'integer'], default: '64MiB' },
    endpoint: { type: 'string', default: 'localhost:4317' },
    token: { type: 'string', secret: true },
  })
})

test('a rule on the read value is asked only when the value could be read', () => {
  const positive = duration('5s').refine(value => value > 0, 'must be more than 0')
  expect(positive.safeParse('0').error?.issues).toMatchObject([{ message: 'must be more than 0' }])
  expect(positive.safeParse('soon').error?.issues).toMatchObject([
    { code: 'invalid_type', expected: expect.stringContaining('a duration') },
  ])
})
