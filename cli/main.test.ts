import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parse as parseYaml } from 'yaml'
import { main } from './main.js'

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'command-line-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

const write = (name: string, text: string): string => {
  writeFileSync(join(folder, name), text)
  return join(folder, name)
}
/** Runs a command inside this process; the folder's name is taken out of what it says. */
const call = async (...args: string[]): Promise<{ code: number; out: string; err: string }> => {
  const said = { out: '', err: '' }
  const code = await main(args, { out: text => (said.out += text), err: text => (said.err += text) })
  return { code, out: said.out.replaceAll(`${folder}/`, ''), err: said.err.replaceAll(`${folder}/`, '') }
}
const validate = (text: string, ...more: string[]) => call('validate', '--config', write('pipeline.yaml', text), ...more)

const GOOD = `receivers:
  otlp:
    protocols:
      grpc:
        endpoint: localhost:4317
exporters:
  otlp_http:
    endpoint: http://localhost:4318
    headers:
      authorization: \${env:AI_FACTORY_TEST_TOKEN:-hunter2}
service:
  pipelines:
    traces:
      receivers: [otlp]
      exporters: [otlp_http]
`

test('a good configuration is valid, and nothing is said on stderr', async () => {
  expect(await validate(GOOD)).toEqual({ code: 0, out: 'the configuration is valid\n', err: '' })
})

const bomb = `x0: &x0 [a, a, a, a, a, a, a, a, a, a]\n${[1, 2, 3, 4, 5]
  .map(
    n =>
      `x${n}: &x${n} [${Array(10)
        .fill(`*x${n - 1}`)
        .join(', ')}]`,
  )
  .join('\n')}\n`

test.each([
  [
    'an unknown key',
    GOOD.replace('grpc:\n', 'grpc:\n        endpont: x\n'),
    'pipeline.yaml:5:9: receivers.otlp.protocols.grpc.endpont: unknown option; known are keepalive, max_concurrent_streams, max_connections, max_recv_msg_size_mib, read_timeout, tls',
  ],
  [
    'a mistyped key',
    GOOD.replace('grpc:\n', 'grpc:\n        read_timout: 5s\n'),
    'pipeline.yaml:5:9: receivers.otlp.protocols.grpc.read_timout: unknown option; did you mean "read_timeout"?',
  ],
  [
    'a wrong type',
    GOOD.replace('localhost:4317', 'true'),
    'pipeline.yaml:5:19: receivers.otlp.protocols.grpc.endpoint: expected host:port such as "localhost:4317" or "0.0.0.0:4317", got true',
  ],
  [
    'an unknown component',
    GOOD.replaceAll('otlp_http', 'otlp_htpp'),
    'pipeline.yaml:7:3: exporters.otlp_htpp: unknown exporter; did you mean "otlp_http"?',
  ],
  [
    'a dangling id',
    GOOD.replace('[otlp]', '[otlp/a]'),
    'pipeline.yaml:14:19: service.pipelines.traces.receivers[0]: receiver "otlp/a" is not configured under receivers; did you mean "otlp"?',
  ],
  [
    'a duplicate key',
    GOOD.replace('service:', 'exporters:'),
    'pipeline.yaml:11:1: exporters: duplicate key, first written on line 6; keep one',
  ],
  ['a tab', GOOD.replace('  otlp:', '\totlp:'), 'pipeline.yaml:2:1: a tab cannot indent YAML; use spaces'],
  ['an alias bomb', bomb + GOOD, 'pipeline.yaml:5:45: x4[7]: aliases expand to more than 100000 values; write them out or use fewer'],
  [
    'a missing environment variable',
    GOOD.replace(':-hunter2', ''),
    'pipeline.yaml:10:22: exporters.otlp_http.headers.authorization: environment variable AI_FACTORY_TEST_TOKEN is not set; set it, or give a default: ${env:AI_FACTORY_TEST_TOKEN:-value}',
  ],
])('%s is one message with its place, and exit code 2', async (_, text, message) => {
  expect(await validate(text)).toEqual({ code: 2, out: '', err: `${message}\n` })
})

test('several files and --set make one configuration', async () => {
  const over = write('over.yaml', 'service: {pipelines: {logs: {receivers: [otlp], exporters: [otlp_http]}}}\n')
  const { code, out } = await call(
    'print-config',
    '--config',
    write('pipeline.yaml', GOOD),
    '--config',
    over,
    '--set',
    'service.shutdown_timeout=5s',
  )
  expect(code).toBe(0)
  expect(parseYaml(out).service).toEqual({
    pipelines: { traces: { receivers: ['otlp'], exporters: ['otlp_http'] }, logs: { receivers: ['otlp'], exporters: ['otlp_http'] } },
    shutdown_timeout: '5s',
  })
})

test('a wrong --set is told at the setting', async () => {
  expect(await validate(GOOD, '--set', 'service.shutdown_timeout=soon')).toMatchObject({
    code: 2,
    err: '--set service.shutdown_timeout: service.shutdown_timeout: expected a duration such as "5s", "200ms" or "1h30m", got "soon"\n',
  })
})

test('print-config shows no secret', async () => {
  const { code, out } = await call('print-config', '--config', write('pipeline.yaml', GOOD))
  expect(code).toBe(0)
  expect(out).toContain('authorization: "[REDACTED]"')
  expect(out).not.toContain('hunter2')
})

test.each<[string[], string]>([
  [[], 'no command given'],
  [['rnu'], 'unknown command "rnu"; did you mean "run"?'],
  [['validate'], 'validate needs --config FILE, such as --config pipeline.yaml'],
  [['validate', '--confg', 'x'], 'unknown option --confg; did you mean "config"?'],
  [['components', 'more'], 'usage: ai-factory-gateway components'],
])('a wrong command line %j is explained, with exit code 2', async (args, message) => {
  const { code, err } = await call(...args)
  expect(code).toBe(2)
  expect(err.split('\n')[0]).toBe(message)
})

test('help and version are answered on stdout', async () => {
  expect(await call('--help')).toMatchObject({ code: 0, out: expect.stringContaining('usage: ai-factory-gateway COMMAND') })
  expect(await call('--version')).toMatchObject({ code: 0, out: expect.stringMatching(/^\d+\.\d+\.\d+\n$/) })
})

/** Paths of options that an editor could say nothing about. */
const undescribed = (schema: unknown, path: string): string[] => {
  if (typeof schema !== 'object' || schema === null) return []
  const {
    properties = {},
    patternProperties = {},
    anyOf = [],
  } = schema as Record<'properties' | 'patternProperties', object> & { anyOf?: unknown[] }
  const options = Object.entries(properties)
  return [
    ...options.filter(([, option]) => !('description' in option)).map(([name]) => `${path}.${name}`),
    ...[...options, ...Object.entries(patternProperties)].flatMap(([name, inner]) => undescribed(inner, `${path}.${name}`)),
    ...anyOf.flatMap(inner => undescribed(inner, path)),
  ]
}

test('the schema knows every component of the listing and describes every option', async () => {
  const { properties } = JSON.parse((await call('schema')).out)
  const { out: listed } = await call('components')
  const types = listed
    .split('\n')
    .slice(1, -1)
    .map(line => line.split(/\s+/).slice(0, 2))
  expect(types.length).toBeGreaterThan(1)
  for (const [kind, type] of types) expect(Object.keys(properties[`${kind}s`].patternProperties)).toContain(`^${type}(/.+)?$`)
  expect(undescribed({ properties }, '').filter(path => !path.startsWith('.streams') && path.split('.').length > 2)).toEqual([])
})
