/**
 * Watches the process that wanted a broker, and tidies up after it however it ends: `node keeper.cjs <pid> <folder>` kills the broker whose process id
 * lies in `<folder>/pid` and removes the folder once the process is gone. Ends by itself when the folder is.
 */
const { existsSync, readFileSync, rmSync } = require('node:fs')
const { join } = require('node:path')

const [, , owner, folder] = process.argv
const LOOK_EVERY_MS = 300

const alive = pid => {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

const tidyUp = () => {
  try {
    process.kill(Number(readFileSync(join(folder, 'pid'), 'utf8')), 'SIGKILL')
  } catch {
    // Never started, or stopped already.
  }
  rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 })
}

const timer = setInterval(() => {
  if (existsSync(folder) && alive(Number(owner))) return
  if (existsSync(folder)) tidyUp()
  clearInterval(timer)
}, LOOK_EVERY_MS)
