/** What a commit may still say after a rebalance, with a group member that does as it is told: a real group never rebalances at that very moment when asked to. */
import type { AssignedPartition, CommitOffset, GroupMember, KafkaClient, MemberListener } from '../../kafka/index.js'
import { KafkaError } from '../../kafka/index.js'
import type { Checkpoint } from '../driver.js'
import { ManualClock } from '../testing/clock.js'
import { RecordingLog, RecordingMeter } from '../testing/ports.js'
import { toCommit } from './checkpoint.js'
import { KafkaDriver } from './driver.js'

const TOPIC = 'topic'
const checkpoint = (next: number): Checkpoint => ({
  streamTime: 1000,
  next,
  oldest: next,
  oldestStreamTime: 1000,
  windowing: { window: 10, grace: 10, maxGap: 10, history: 100 },
  needed: next,
  evictedBelow: 0,
})
const assigned = (partition: number, offset: number): AssignedPartition => ({
  topic: TOPIC,
  partition,
  committed: toCommit(checkpoint(offset)),
  logStart: 0,
  logEnd: 1000,
  position: offset,
})

/** A driver, its group's decisions, and commits that wait for a verdict. */
const scene = async () => {
  let listener!: MemberListener
  const commits: { offsets: readonly CommitOffset[]; fence(): void; take(): void }[] = []
  const member: Partial<GroupMember> = {
    lastHeartbeat: 0,
    commit: (_, offsets) =>
      new Promise((take, reject) => {
        commits.push({ offsets, take, fence: () => reject(new KafkaError('fenced', 'fenced', 'REBALANCE_IN_PROGRESS')) })
      }),
    seek() {},
    wake() {},
  }
  const client: Partial<KafkaClient> = {
    admin: () => ({ ensureTopic: async () => 'verified', close: async () => {} }) as unknown as ReturnType<KafkaClient['admin']>,
    producer: () => ({ send: async () => {}, close: async () => {} }),
    member: (_, given) => {
      listener = given
      return member as GroupMember
    },
  }
  const driver = new KafkaDriver(
    client as KafkaClient,
    {
      stream: 'test',
      topic: TOPIC,
      partitions: 2,
      topicConfig: {},
      group: TOPIC,
      sessionTimeout: 1000,
      produceTimeout: 1000,
      fetchBytes: 1000,
    },
    { clock: new ManualClock(), log: new RecordingLog(), meter: new RecordingMeter() },
  )
  await driver.open()
  const rebalance = async (generation: number, partitions: readonly AssignedPartition[]): Promise<void> => {
    await listener.revoked(generation - 1, false)
    await listener.assigned(generation, partitions)
  }
  await listener.assigned(1, [assigned(0, 5), assigned(1, 5)])
  await driver.poll()
  return { driver, commits, rebalance, turn: () => new Promise(resolve => setImmediate(resolve)) }
}
const offsetsOf = ({ offsets }: { offsets: readonly CommitOffset[] }) => offsets.map(({ partition, offset }) => [partition, offset])

test('a commit that a rebalance held up is not repeated for a partition that was elsewhere meanwhile', async () => {
  const { driver, commits, rebalance, turn } = await scene()
  const committing = driver.commit(
    new Map([
      [0, checkpoint(10)],
      [1, checkpoint(10)],
    ]),
  )
  await rebalance(2, [assigned(1, 5)])
  await rebalance(3, [assigned(0, 500), assigned(1, 5)])
  await driver.poll()
  commits[0]!.fence()
  await turn()
  expect(commits.map(offsetsOf)).toEqual([
    [
      [0, 10],
      [1, 10],
    ],
    [[1, 10]],
  ])
  commits[1]!.take()
  await committing
})

test('nothing is committed when all of it was elsewhere, and what the engine has not heard of is not spoken of', async () => {
  const { driver, commits, rebalance } = await scene()
  const committing = driver.commit(new Map([[0, checkpoint(10)]]))
  await rebalance(2, [])
  await rebalance(3, [assigned(0, 500)])
  commits[0]!.fence()
  await committing
  await driver.commit(new Map([[0, checkpoint(20)]]))
  expect(commits).toHaveLength(1)
})
