/** Copies a stream's topic so that every span and sample is a record of its own, in the same form and partition: what one record a fact would cost. */
import { setTimeout as sleep } from 'node:timers/promises'
import { decompressBlock, type FetchedBatch, type OutgoingRecord } from '../kafka/index.js'
import { Batch } from '../proto/batch.js'
import { splitGroup } from '../proto/edit.js'
import { clientOf } from './kafka.js'

export interface Expanded {
  readonly records: number
}

export const waitFor = async (what: string, holds: () => Promise<boolean>, ms: number): Promise<void> => {
  for (const deadline = Date.now() + ms; !(await holds()); await sleep(100))
    if (Date.now() > deadline) throw new Error(`${what}: not within ${ms / 1000} s`)
}

const HEAD = 'ai_factory.record'
const CODEC = 'ai_factory.codec'
const MOST = 16 << 20
const SPANS_KIND = 16
const SAMPLES_KIND = 17
const PER_SEND = 2000

/** Single-item records of one record; ticks and what belongs to no workload are left out. */
const singlesOf = (topic: string, partition: number, { key, value, headers }: FetchedBatch['records'][number]): OutgoingRecord[] => {
  const head = headers.find(([name]) => name === HEAD)?.[1]
  const kind = head?.[1]
  if (!head || !value || (kind !== SPANS_KIND && kind !== SAMPLES_KIND)) return []
  const signal = kind === SPANS_KIND ? 'traces' : 'metrics'
  const bytes = headers.some(([name]) => name === CODEC) ? decompressBlock(value, MOST) : value
  const records: OutgoingRecord[] = []
  for (const group of Batch.of(signal, [bytes], 1).groups) {
    let next = 0
    for (const [, share] of splitGroup(signal, group, () => String(next++))) {
      // Version, kind and times stay; one item, and no fingerprint: that of the chunk is not this one's.
      const own = Buffer.from(head.subarray(0, 34))
      own.writeUInt32LE(1, 6)
      records.push({ topic, partition, key, value: Buffer.from(share.group.whole), headers: [[HEAD, own]] })
    }
  }
  return records
}

if (process.send && process.argv[1]?.endsWith('/expand.js')) {
  const [brokers = '', from = '', to = '', partitions = '1'] = process.argv.slice(2)
  const client = clientOf(brokers)
  const config = { 'message.timestamp.type': 'CreateTime', 'cleanup.policy': 'delete', 'retention.ms': '3600000' }
  const admin = client.admin()
  await admin.ensureTopic({ topic: to, partitions: Number(partitions), config })
  const ends = await admin.offsets(from)
  const producer = client.producer({ timeout: 60_000, maxPendingBytes: 256 << 20 })
  const reached = new Map<number, number>()
  const member = client.member(
    { group: `${to}-expand`, topics: [from] },
    { assigned() {}, revoked() {}, gap() {}, unreadable: () => 'skip', failing() {}, recovered() {}, replaced() {} },
  )
  let written = 0
  while ([...ends].some(([partition, { end }]) => (reached.get(partition) ?? 0) < end)) {
    for (const { partition, records, next } of await member.poll()) {
      const timed = records.flatMap(record => singlesOf(to, partition, record).map(each => ({ ...each, timestamp: record.timestamp })))
      for (let at = 0; at < timed.length; at += PER_SEND) await producer.send(timed.slice(at, at + PER_SEND))
      written += timed.length
      reached.set(partition, next)
    }
  }
  await Promise.all([member.close(), producer.close(), admin.close()])
  process.send({ expanded: { records: written } satisfies Expanded }, () => process.disconnect?.())
}
