import { describeKafka, sharedBrokers } from '../../test/support/kafka/index.js'
import { conformance } from '../testing/conformance.js'
import { conformanceOfRestarts } from '../testing/conformance_restart.js'
import { closeKafkaWorlds, kafkaWorld } from '../testing/kafka_world.js'

describeKafka('streams on Kafka', () => {
  let brokers: readonly string[] = []
  beforeAll(async () => {
    brokers = await sharedBrokers()
  }, 400_000)
  afterEach(closeKafkaWorlds)

  conformance(
    'kafka',
    kafkaWorld(() => brokers),
  )
  conformanceOfRestarts(
    'kafka',
    kafkaWorld(() => brokers),
  )
})
