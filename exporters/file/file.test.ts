import { appendFile, mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { z } from 'zod'
import { Batch } from '../../proto/batch.js'
import { fromJson } from '../../proto/json/index.js'
import { GOLDEN } from '../../proto/testing/golden.js'
import { turns } from '../../runtime/testing/clock.js'
import { harness } from '../../runtime/testing/harness.js'
import exporter from './index.js'

let directory: string
beforeEach(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'file-exporter-'))
})
afterEach(() => rm(directory, { recursive: true, force: true }))

const logs = Batch.of('logs', [GOLDEN.logs], 1)
type Written = Omit<z.input<typeof exporter.config>, 'path'>

const started = async (written: Written = {}, file = path.join(directory, 'out.jsonl')) => {
  const { context, clock, meter } = harness('file')
  const instance = exporter.create(exporter.config.parse({ path: file, ...written }), context)
  await instance.start?.()
  const stop = async () => instance.stop?.(AbortSignal.timeout(5_000))
  const lines = async () => (await readFile(file, 'utf8')).split('\n').slice(0, -1)
  return { file, instance, clock, meter, stop, lines }
}

test('each request is one line of OTLP/JSON with the same content, written when it is acknowledged', async () => {
  const { instance, lines, meter, stop } = await started()
  for (const signal of ['traces', 'metrics', 'logs'] as const) await instance.consume(Batch.of(signal, [GOLDEN[signal]], 1))
  const written = await lines()
  expect(written.map(line => Object.keys(JSON.parse(line)))).toEqual([['resourceSpans'], ['resourceMetrics'], ['resourceLogs']])
  expect(Buffer.from(fromJson('logs', written[2]!))).toEqual(Buffer.from(GOLDEN.logs))
  expect(meter.sum('otelcol_exporter_sent_log_records', { exporter: 'file' })).toBe(1)
  await stop()
})

test('many at once are all there, each on its own line', async () => {
  const { instance, lines, stop } = await started({ fsync: true })
  await Promise.all(Array.from({ length: 200 }, () => instance.consume(logs)))
  const written = await lines()
  expect(written).toHaveLength(200)
  expect(new Set(written).size).toBe(1)
  await stop()
})

test('the file is started anew, or with append gone on', async () => {
  for (const append of [false, true]) {
    const { instance, stop } = await started({ append })
    await instance.consume(logs)
    await stop()
  }
  const { lines, stop } = await started({ append: true })
  expect(await lines()).toHaveLength(2)
  await stop()
})

test('a line that a crash cut off is left alone: the next one starts on a line of its own', async () => {
  await writeFile(path.join(directory, 'out.jsonl'), '{"resourceLogs":[{"res')
  const { instance, lines, stop } = await started({ append: true })
  await instance.consume(logs)
  await instance.consume(logs)
  const written = await lines()
  expect(written).toHaveLength(3)
  expect(() => JSON.parse(written[1]!)).not.toThrow()
  await stop()
})

test('a full file is put aside with its time, and only the youngest are kept; no line is lost or cut on the way', async () => {
  const { instance, clock, file, stop } = await started({ rotation: { max_megabytes: 0.001, max_backups: 2 } })
  for (let i = 0; i < 12; i++) {
    await instance.consume(logs)
    await clock.advance(1_000)
  }
  const aside = (await readdir(directory)).filter(name => name !== 'out.jsonl').sort()
  expect(aside).toHaveLength(2)
  expect(aside[0]).toMatch(/^out-\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d\.\d{3}\.jsonl$/)
  for (const name of [...aside, path.basename(file)]) {
    const text = await readFile(path.join(directory, name), 'utf8')
    expect(text.length).toBeLessThanOrEqual(0.001 * 2 ** 20)
    for (const line of text.trimEnd().split('\n')) JSON.parse(line)
  }
  await stop()
})

test('two files put aside in the same millisecond do not overwrite each other, and strangers’ files stay', async () => {
  await writeFile(path.join(directory, 'out-notes.jsonl'), 'mine')
  const { instance, stop } = await started({ rotation: { max_megabytes: 0.0003, max_backups: 0 } })
  for (let i = 0; i < 5; i++) await instance.consume(logs)
  const names = await readdir(directory)
  expect(names).toHaveLength(1 + 1 + 4)
  expect(await readFile(path.join(directory, 'out-notes.jsonl'), 'utf8')).toBe('mine')
  await stop()
})

test('lines wait flush_interval to be written together, and their senders with them', async () => {
  const { instance, clock, lines, stop } = await started({ flush_interval: '1s' })
  let answered = 0
  for (let i = 0; i < 3; i++) void instance.consume(logs).then(() => answered++)
  await clock.advance(999)
  expect([answered, (await lines()).length]).toEqual([0, 0])
  await clock.advance(1)
  await turns(50)
  await stop()
  expect([answered, (await lines()).length]).toEqual([3, 3])
})

test('stop writes what still waits', async () => {
  const { instance, lines, stop } = await started({ flush_interval: '1h' })
  const sender = instance.consume(logs)
  await stop()
  await sender
  expect(await lines()).toHaveLength(1)
})

test('a full disk gives the request back to be sent again, and counts it', async () => {
  const { instance, meter, stop } = await started({ append: true }, '/dev/full')
  await expect(instance.consume(logs)).rejects.toMatchObject({ name: 'RetryableError', reason: 'disk_full' })
  expect(meter.sum('otelcol_exporter_send_failed_log_records')).toBe(1)
  await stop()
})

test('a file that somebody else emptied is gone on with, without a hole', async () => {
  const { instance, file, lines, stop } = await started()
  await instance.consume(logs)
  await truncate(file, 0)
  await instance.consume(logs)
  await appendFile(file, '')
  expect(await lines()).toHaveLength(1)
  await stop()
})

test('what is no OTLP request is refused for good and leaves no trace', async () => {
  const { instance, lines, stop } = await started()
  await expect(instance.consume(Batch.of('logs', [Uint8Array.of(0x0a, 0x7f)], 1))).rejects.toMatchObject({
    name: 'PermanentError',
    reason: 'bad_data',
  })
  expect(await lines()).toEqual([])
  await stop()
})

test('a path that cannot be written fails the start with path and reason', async () => {
  await expect(started({}, path.join(directory, 'missing', 'out.jsonl'))).rejects.toThrow(
    /cannot open .*missing.out\.jsonl for writing: ENOENT/,
  )
})
