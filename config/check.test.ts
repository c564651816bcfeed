import { z } from 'zod'
import { check } from './check.js'
import { byteSize, duration, endpoint, headers, secret } from './options.js'
import { parse } from './parse.js'
import { print } from './print.js'
import { ConfigError } from './problem.js'
import { substitute } from './substitute.js'

const options = z.strictObject({
  timeout: duration('5s').describe('t'),
  limit: byteSize().optional().describe('l'),
  endpoint: endpoint().describe('e'),
  protocol: z.enum(['grpc', 'http']).default('grpc').describe('p'),
  retries: z.int().min(0).max(10).default(3).describe('r'),
  ratio: z.number().gt(0).default(1).describe('r'),
  enabled: z.boolean().default(true).describe('e'),
  name: z
    .string()
    .min(1)
    .regex(/^[a-z]+$/)
    .optional()
    .describe('n'),
  names: z.array(z.string()).min(1).optional().describe('n'),
  tls: z
    .strictObject({ insecure: z.boolean().default(false), ca_file: z.string().optional() })
    .nullish()
    .describe('t'),
  token: secret().optional().describe('t'),
  headers: headers().optional().describe('h'),
  size: z
    .union([z.number(), z.strictObject({ items: z.number() })])
    .optional()
    .describe('s'),
  store: z
    .discriminatedUnion('driver', [
      z.strictObject({ driver: z.literal('memory') }),
      z.strictObject({ driver: z.literal('disk'), path: z.string() }),
    ])
    .optional(),
  even: z
    .number()
    .refine(n => n % 2 === 0, 'must be even')
    .optional(),
})
const BASE = 'endpoint: localhost:1\n'
const read = (text: string, env: Record<string, string> = {}) =>
  check(options, substitute(parse(text, 'pipeline.yaml'), { env, readFile: () => '' }), ['exporters', 'otlp'])
const complaint = (text: string, env: Record<string, string> = {}): string => {
  try {
    read(text, env)
  } catch (error) {
    if (error instanceof ConfigError) return error.message
    throw error
  }
  throw new Error('expected a ConfigError')
}

test.each([
  ['an unknown option', 'timeot: 5s', 'pipeline.yaml:2:1: exporters.otlp.timeot: unknown option; did you mean "timeout"?'],
  [
    'an unknown option like no other',
    'tls: {x: 1}',
    'pipeline.yaml:2:7: exporters.otlp.tls.x: unknown option; known are ca_file, insecure',
  ],
  [
    'an option that is there already, written again differently',
    'tls: {insecure: true, Insecure: true}',
    'pipeline.yaml:2:23: exporters.otlp.tls.Insecure: unknown option; known is ca_file',
  ],
  [
    'no duration',
    'timeout: soon',
    'pipeline.yaml:2:10: exporters.otlp.timeout: expected a duration such as "5s", "200ms" or "1h30m", got "soon"',
  ],
  [
    'a bare number as duration',
    'timeout: 5',
    'pipeline.yaml:2:10: exporters.otlp.timeout: expected a duration such as "5s", "200ms" or "1h30m", got 5',
  ],
  [
    'a list as duration',
    'timeout: [5s]',
    'pipeline.yaml:2:10: exporters.otlp.timeout: expected a duration such as "5s", "200ms" or "1h30m", got a list',
  ],
  [
    'no size',
    'limit: 1MIB',
    'pipeline.yaml:2:8: exporters.otlp.limit: expected a size such as "64MiB", "10GB" or a whole number of bytes, got "1MIB"',
  ],
  ['no number', 'retries: "5"', 'pipeline.yaml:2:10: exporters.otlp.retries: expected a number, got "5"; write 5 without quotes'],
  ['a fraction', 'retries: 1.5', 'pipeline.yaml:2:10: exporters.otlp.retries: expected a whole number, got 1.5'],
  ['too much', 'retries: 11', 'pipeline.yaml:2:10: exporters.otlp.retries: expected at most 10'],
  ['too little', 'ratio: 0', 'pipeline.yaml:2:8: exporters.otlp.ratio: expected more than 0'],
  ['too few', 'names: []', 'pipeline.yaml:2:8: exporters.otlp.names: expected at least 1 item'],
  ['a yes', 'enabled: yes', 'pipeline.yaml:2:10: exporters.otlp.enabled: expected true or false, got "yes"; write true'],
  ['a number as text', 'name: 012', 'pipeline.yaml:2:7: exporters.otlp.name: expected text, got 12; put it in quotes: "12"'],
  ['a wrong form', 'name: ABC', 'pipeline.yaml:2:7: exporters.otlp.name: expected text like /^[a-z]+$/, got "ABC"'],
  ['a wrong item', 'names: [a, {}]', 'pipeline.yaml:2:12: exporters.otlp.names[1]: expected text, got a map'],
  [
    'a value of a few',
    'protocol: grcp',
    'pipeline.yaml:2:11: exporters.otlp.protocol: expected "grpc" or "http", got "grcp"; did you mean "grpc"?',
  ],
  ['a value where a map is meant', 'tls: true', 'pipeline.yaml:2:6: exporters.otlp.tls: expected a map, got true'],
  ['neither of two forms', 'size: big', 'pipeline.yaml:2:7: exporters.otlp.size: expected a number or a map, got "big"'],
  ['almost one of two forms', 'size: {itmes: 1}', 'pipeline.yaml:2:8: exporters.otlp.size.itmes: unknown option; did you mean "items"?'],
  [
    'a kind there is not',
    'store: {driver: dsk}',
    'pipeline.yaml:2:17: exporters.otlp.store.driver: expected "memory" or "disk", got "dsk"; did you mean "disk"?',
  ],
  ['a kind left out', 'store: {path: x}', 'pipeline.yaml:2:1: exporters.otlp.store.driver: missing; expected "memory" or "disk"'],
  ['what its author forbids', 'even: 3', 'pipeline.yaml:2:7: exporters.otlp.even: must be even'],
])('%s is told with its place and a remedy', (_, text, message) => {
  expect(complaint(BASE + text).split('\n')[0]).toBe(message)
})

test('a missing option is told at the key that should hold it', () => {
  expect(complaint('timeout: 1s')).toBe(
    'pipeline.yaml:1:1: exporters.otlp.endpoint: missing; expected host:port such as "localhost:4317" or "0.0.0.0:4317"',
  )
})

test('all problems are told at once, in the order of the options', () => {
  expect(complaint('timeout: x\nretries: y\nfoo: 1\n').split('\n')).toHaveLength(4)
})

test('no message shows a secret, a value from outside, or credentials in a URL', () => {
  const wrong = [
    'token: 12345678',
    'token: [hunter2]',
    'headers: {authorization: 12345678}',
    'timeout: ${env:HIDDEN}',
    'timeout: "x${env:HIDDEN}"',
    'protocol: ${env:HIDDEN}',
    'enabled: ${env:HIDDEN}',
    'tls: {ca_file: 1, insecure: "http://me:hunter2@host"}',
  ]
  for (const text of wrong) expect(complaint(BASE + text, { HIDDEN: 'hunter2' })).not.toMatch(/hunter2|12345678/)
  expect(complaint(`${BASE}timeout: \${env:HIDDEN}`, { HIDDEN: 'hunter2' })).toMatch(/got the value of \$\{env:HIDDEN\}$/)
})

test('a key with nothing behind it is an empty map where a map is meant and the default where a value is', () => {
  expect(read(`${BASE}tls:\ntimeout:\nretries:\nprotocol:\n`)).toEqual({
    endpoint: 'localhost:1',
    tls: { insecure: false },
    timeout: 5_000,
    retries: 3,
    ratio: 1,
    enabled: true,
    protocol: 'grpc',
  })
  expect(complaint('endpoint:')).toContain('endpoint: expected host:port')
  expect(complaint(`${BASE}names: [null]`)).toContain('names[0]: expected text, got nothing')
})

test('a value from outside is text where text is meant, whatever it looks like', () => {
  const env = { PIN: '0123', MAP: '{a: 1}', EMPTY: '' }
  expect(read(`${BASE}token: \${env:PIN}\nheaders: {a: "\${env:MAP}", b: "\${PIN}"}\ntls: {ca_file: "\${env:EMPTY}"}`, env)).toMatchObject({
    token: '0123',
    headers: { a: '{a: 1}', b: '0123' },
    tls: { ca_file: '' },
  })
})

test('print-config shows what is in force, without secrets', () => {
  const text =
    'endpoint: localhost:1\ntoken: hunter2\nheaders:\n  authorization: ${env:T}\n  empty: ""\nname: abc\nnames: ["http://me:hunter2@host/x"]\n'
  expect(print(substitute(parse(text, 'x'), { env: { T: 'hunter2' }, readFile: () => '' }), options)).toBe(
    'endpoint: localhost:1\ntoken: "[REDACTED]"\nheaders:\n  authorization: "[REDACTED]"\n  empty: ""\nname: abc\nnames:\n  - http://[REDACTED]@host/x\n',
  )
})
