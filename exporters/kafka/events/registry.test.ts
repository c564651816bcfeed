import { eventOptions } from './options.js'
import { SchemaRegistry } from './registry.js'
import { RegistryDouble } from './testing/registry_double.js'

describe('schema registry', () => {
  let double: RegistryDouble
  let url: string
  const registry = (options: Record<string, unknown> = {}, topic = 'events'): SchemaRegistry => {
    const parsed = eventOptions.parse({ encoding: 'avro', topic, schema_registry: { urls: [url], ...options } })
    return new SchemaRegistry(parsed.schema_registry!, topic)
  }
  const failure = (work: Promise<unknown>): Promise<Error> =>
    work.then(
      () => Promise.reject(new Error('it did not fail')),
      error => error,
    )
  beforeEach(async () => {
    double = new RegistryDouble()
    url = await double.open()
  })
  afterEach(() => double.close())

  test('a schema is registered once, however many events ask for it at once, and found by the next gateway', async () => {
    const first = registry()
    expect(await Promise.all([first.idOf('"string"', 'AVRO'), first.idOf('"string"', 'AVRO')])).toEqual([41, 41])
    expect(await first.idOf('"string"', 'AVRO')).toBe(41)
    expect(double.asked).toEqual([
      'POST /subjects/events-value',
      'POST /compatibility/subjects/events-value/versions/latest?verbose=true',
      'POST /subjects/events-value/versions',
    ])
    expect(await registry().idOf('"string"', 'AVRO')).toBe(41)
    expect(double.subjects.get('events-value')).toEqual([{ id: 41, schema: '"string"', type: 'AVRO' }])
  })

  test.each([
    ['topic_name', 'a.b-value'],
    ['record_name', 'ai_factory.v1.CorrelatedEvent'],
    ['topic_record_name', 'a.b-ai_factory.v1.CorrelatedEvent'],
  ])('subject by strategy %s is %s', async (subject_strategy, subject) => {
    await registry({ subject_strategy }, 'a.b').idOf('x', 'PROTOBUF')
    expect([...double.subjects.keys()]).toEqual([subject])
  })

  test('an incompatible schema is not registered: events wait, and the words say what to do', async () => {
    double.subjects.set('events-value', [{ id: 7, schema: 'other', type: 'AVRO' }])
    double.compatible = { is_compatible: false, messages: ['reader field missing: id'] }
    const mine = registry()
    expect(await failure(mine.idOf('x', 'AVRO'))).toMatchObject({
      name: 'RetryableError',
      reason: 'schema_incompatible',
      message: expect.stringMatching(/subject "events-value": reader field missing: id. Write to another topic, or change/),
    })
    double.compatible = { is_compatible: true }
    expect(await mine.idOf('x', 'AVRO')).toBe(41)
  })

  test('without auto_register a schema must be there', async () => {
    const mine = registry({ auto_register: false })
    expect(await failure(mine.idOf('x', 'AVRO'))).toMatchObject({
      reason: 'schema_missing',
      message: expect.stringContaining('auto_register'),
    })
    double.subjects.set('events-value', [{ id: 7, schema: 'x', type: 'AVRO' }])
    expect(await mine.idOf('x', 'AVRO')).toBe(7)
  })

  test('basic authentication; a wrong password is told without being said', async () => {
    double.user = 'gateway:right'
    expect(await registry({ username: 'gateway', password: 'right' }).idOf('x', 'AVRO')).toBe(41)
    const { message } = await failure(registry({ username: 'gateway', password: 'wr0ng' }).idOf('x', 'AVRO'))
    expect(message).toMatch(/answers 401 Unauthorized: check username and password/)
    expect(message).not.toContain('wr0ng')
  })

  test('the next address is asked when one does not answer or has an error of its own; when none does, later', async () => {
    double.failing = 1
    expect(await registry({ urls: ['http://127.0.0.1:1', url, `${url}/`] }).idOf('x', 'AVRO')).toBe(41)
    double.failing = 9
    expect(await failure(registry({ urls: ['http://127.0.0.1:1', url] }).idOf('x', 'AVRO'))).toMatchObject({
      name: 'RetryableError',
      reason: 'schema_registry',
      message: expect.stringMatching(/does not answer \(http:\/\/127.0.0.1:1: .*; http:\/\/127.0.0.1:\d+ answers 503\)/),
    })
  })

  test('options that cannot be right are refused', () => {
    const problem = (options: object): string =>
      eventOptions.safeParse({ schema_registry: { urls: [url] }, ...options }).error?.issues[0]?.message ?? ''
    expect(problem({ encoding: 'json' })).toMatch(/json has no schema to register/)
    expect(problem({ schema_registry: { urls: [url], password: 'x' } })).toMatch(/set username too/)
    expect(problem({ schema_registry: { urls: ['localhost:8081'] } })).not.toBe('')
    expect(problem({ schema_registry: { urls: ['http://gateway:s3cret@registry:8081'] } })).toMatch(
      /^a URL is shown in messages: (?!.*s3cret)/,
    )
  })
})
