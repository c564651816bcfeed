/** `npm run kafka`: one Kafka node on a free port, for the demo, the proof and the bench. Its jars come by Maven once; it needs Java 17. */
import { KafkaBroker } from './broker.js'
import { missing } from './jars.js'

const absent = missing()
if (absent !== undefined) {
  console.error(`A Kafka broker needs ${absent}: install them and try again.`)
  process.exit(1)
}
const broker = await KafkaBroker.start()
const [address] = broker.brokers
console.log(`Kafka answers on ${address}; Ctrl-C ends it and removes its data. Beside it, for instance:
  npm run demo -- --gateways 2 --set streams.workloads='{driver: kafka, brokers: ["${address}"]}'
  npm run prove -- --gateways 4 --kills 20 --set streams.workloads='{driver: kafka, brokers: ["${address}"]}'`)
// Signals end it; until then something must keep the process.
const timer = setInterval(() => {}, 1 << 30)
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, async () => {
    clearInterval(timer)
    await broker.stop()
  })
