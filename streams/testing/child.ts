/** A gateway's stream in a process of its own, to be killed: it appends what it is told, acknowledges on stdout, and writes what comes out to a file. */
import { appendFileSync } from 'node:fs'
import { openStreams, streamsSection } from '../index.js'
import { FACT, Ledger, type Told } from './ledger.js'
import { RecordingLog, RecordingMeter } from './ports.js'

const [options = '{}', outputs = '', firstId = '0'] = process.argv.slice(2)

const clock = {
  now: () => performance.timeOrigin + performance.now(),
  monotonic: () => performance.now(),
  after: (ms: number, task: () => void) => {
    const timer = setTimeout(task, ms)
    return () => clearTimeout(timer)
  },
}

const main = async (): Promise<void> => {
  const log = new RecordingLog()
  const section = streamsSection.parse({ workloads: { partitions: 4, tick: '50ms', commit_interval: '40ms', ...JSON.parse(options) } })
  const stream = openStreams(section, { clock, log, meter: new RecordingMeter() }).get('workloads')
  await stream.run<Told>({
    windowing: { window: 100, grace: 150, maxGap: 200, history: 1000 },
    maxHeld: 1e8,
    handler: (_partition, windowing) => new Ledger(windowing),
    size: ({ value }) => value.length + 100,
    deliver: async outs => {
      // As a sink that has it on disk: a line per fact, and nothing of a line that was cut.
      const lines = outs
        .filter(({ value }) => value.length > 0)
        .map(({ text, value }) => `${Buffer.from(value).toString().trimEnd()} ${text}\n`)
      if (lines.length > 0) appendFileSync(outputs, lines.join(''))
    },
  })
  let id = Number(firstId)
  const sender = async (): Promise<never> => {
    for (;;) {
      const mine = ++id
      const now = Math.floor(clock.now())
      const fingerprint = Buffer.alloc(16)
      fingerprint.writeUInt32LE(mine)
      const value = [Buffer.from(String(mine).padEnd(500 + (mine % 7) * 300))]
      try {
        await stream.append([{ key: `w${mine % 11}`, kind: FACT, firstTime: now, lastTime: now, items: 1, fingerprint, value }])
        process.stdout.write(`${mine}\n`)
      } catch {
        await new Promise(resolve => setTimeout(resolve, 20))
      }
    }
  }
  for (let senders = 0; senders < 8; senders++) void sender()
}

void main()
