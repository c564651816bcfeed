import { KeptLog, newTopic, realClock, testClient } from '../test/support/kafka/client.js'
import { describeKafka, sharedBrokers } from '../test/support/kafka/index.js'
import { until } from '../test/support/until.js'
import { Connection } from './connection.js'
import { Cursor } from './cursor.js'
import { kafkajsConfig } from './options.js'
import { watch } from './watchdog.js'

describeKafka('the watchdog', () => {
  test('names the partition that has records and gets none, and makes the connection anew; one without records is left alone', async () => {
    const brokers = await sharedBrokers()
    const client = testClient(brokers)
    const topic = await newTopic(client, 2)
    const producer = client.producer({ timeout: 10_000 })
    await producer.send([{ topic, partition: 1, key: null, value: null }])
    const log = new KeptLog()
    const connection = new Connection(kafkajsConfig({ brokers, clientId: 'test' }), [topic], { clock: realClock, log }, () => {})
    const [empty, stalled] = [0, 1].map(
      partition => new Cursor({ topic, partition, committed: undefined, logStart: 0, logEnd: 0, position: 0 }),
    )
    let silent = [empty!]
    const touched: Cursor[] = []
    let over = false
    const link = await connection.link()
    const reader = { silent: () => silent, touch: (cursors: readonly Cursor[]) => void touched.push(...cursors) }
    const watching = watch(reader, connection, { group: 'g', sessionTimeout: 100, isolation: 1 }, { clock: realClock, log }, () => over)
    await until('it has looked', () => touched.length > 0)
    expect([log.lines, link.closed]).toEqual([[], false])
    silent = [empty!, stalled!]
    await until('it is told', () => log.lines.length > 0)
    expect(log.lines[0]).toBe(
      `warn there are records to read and none come: the connection is made anew ${JSON.stringify({ group: 'g', partitions: [`${topic}, partition 1`] })}`,
    )
    expect([link.closed, (await connection.link()) === link]).toEqual([true, false])
    over = true
    await watching
    connection.close()
    await producer.close()
  }, 400_000)
})
