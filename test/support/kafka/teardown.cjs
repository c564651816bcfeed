/** After a run of jest: stops the shared broker, if one was started. When the run is killed, the broker's keeper does it. */
const { readFileSync, rmSync } = require('node:fs')
const { join } = require('node:path')

module.exports = () => {
  const folder = process.env.TEST_KAFKA_FOLDER
  try {
    process.kill(Number(readFileSync(join(folder, 'pid'), 'utf8')), 'SIGKILL')
  } catch {
    // Never started, or gone already.
  }
  rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 })
}
