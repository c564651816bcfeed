/** Before a run of jest: starts nothing, only says where its suites find the broker they share (index.ts), and whose end is the end of it. */
const { tmpdir } = require('node:os')
const { join } = require('node:path')

module.exports = () => {
  process.env.TEST_KAFKA_FOLDER = join(tmpdir(), `kafka-run-${process.pid}`)
  process.env.TEST_KAFKA_OWNER = String(process.pid)
}
