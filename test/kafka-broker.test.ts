/** The broker that tests run: what they rely on. */
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describeKafka, KafkaBroker, sharedBrokers } from './support/kafka/index.js'
import { until } from './support/until.js'

const answers = (address: string): Promise<boolean> =>
  new Promise(resolve => {
    const [host, port] = address.split(':')
    const socket = connect(Number(port), host!, () => resolve(!!socket.destroy()))
    socket.on('error', () => resolve(false))
  })

describeKafka(
  'a broker of a test’s own',
  () => {
    test('can be killed and comes back on the same port, and stopping it leaves nothing behind', async () => {
      const folder = mkdtempSync(join(tmpdir(), 'kafka-'))
      const broker = await KafkaBroker.start({ folder })
      const address = broker.brokers[0]!
      await broker.kill()
      expect(await answers(address)).toBe(false)
      await broker.restart()
      expect(await answers(address)).toBe(true)
      await broker.stop()
      expect([await answers(address), existsSync(folder)]).toEqual([false, false])
    }, 120_000)

    test('ends with its owner, however that ends', async () => {
      const owner = spawn('sleep', ['60'])
      const folder = mkdtempSync(join(tmpdir(), 'kafka-'))
      const broker = await KafkaBroker.start({ owner: owner.pid!, folder })
      owner.kill('SIGKILL')
      await until('the broker is gone', async () => !(await answers(broker.brokers[0]!)) && !existsSync(folder))
    }, 120_000)
  },
  { own: true },
)

describeKafka('the shared broker', () => {
  test('is the same for all who ask', async () => {
    const [first, second] = await Promise.all([sharedBrokers(), sharedBrokers()])
    expect(second).toEqual(first)
    expect(await answers(first[0]!)).toBe(true)
  }, 400_000)
})
