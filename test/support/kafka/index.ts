/**
 * Real Kafka for tests. `describeKafka` instead of `describe`; inside, `sharedBrokers()` for a suite that only needs a cluster, or a broker of its own
 * (`KafkaBroker.start()`) for one that kills it. Without Java and Maven the suites are skipped with a warning; in CI that is a failure.
 */
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { KafkaBroker } from '../../../simulator/kafka/broker.js'
import { missing } from '../../../simulator/kafka/jars.js'
import { until } from '../until.js'

export { type BrokerOptions, KafkaBroker } from '../../../simulator/kafka/broker.js'

/** First use downloads the jars. */
const INSTALL_AND_START_MS = 400_000

/** A suite that needs a broker; `own`: one it may kill, so that KAFKA_BROKERS does not do. */
export const describeKafka = (title: string, suite: () => void, { own = false } = {}): void => {
  const absent = process.env.KAFKA_BROKERS && !own ? undefined : missing()
  if (absent === undefined) {
    describe(title, suite)
    return
  }
  const words = `${title}: needs a Kafka broker, and there is no ${absent} here: install them${own ? '' : ', or name a cluster in KAFKA_BROKERS'}`
  if (process.env.CI === 'true') {
    describe(title, () => {
      test('a broker can be started', () => {
        throw new Error(words)
      })
    })
    return
  }
  console.warn(`SKIPPED ${words}`)
  describe.skip(title, suite)
}

/** The cluster that all suites of a run share: KAFKA_BROKERS, or one broker that the first to ask starts and the end of the run stops. */
export const sharedBrokers = async (): Promise<string[]> => {
  const given = process.env.KAFKA_BROKERS
  if (given) return given.split(',')
  const { TEST_KAFKA_FOLDER: folder, TEST_KAFKA_OWNER: owner } = process.env
  if (!folder || !owner) throw new Error('setup.cjs has not run: jest.config.cjs names it as globalSetup')
  const answer = join(folder, 'answer.json')
  if (takes(folder)) {
    const told = await KafkaBroker.start({ owner: Number(owner), folder }).then(
      ({ brokers }) => ({ brokers }),
      error => ({ error: String(error) }),
    )
    mkdirSync(folder, { recursive: true })
    writeFileSync(`${answer}.new`, JSON.stringify(told))
    renameSync(`${answer}.new`, answer)
  }
  await until('the shared broker is ready', () => existsSync(answer), INSTALL_AND_START_MS)
  const { brokers, error } = JSON.parse(readFileSync(answer, 'utf8')) as { brokers: string[]; error?: string }
  if (error) throw new Error(error)
  return brokers
}

/** A directory can be made once: whoever makes it goes first. */
const takes = (path: string): boolean => {
  try {
    mkdirSync(path)
    return true
  } catch {
    return false
  }
}
