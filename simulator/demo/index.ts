/**
 * `npm run demo [-- --speed 5] [-- --seed 1] [-- --seconds N] [-- --gateways 1] [-- --set KEY=VALUE]`: a simulated AI factory and the gateway, correlated live in this terminal.
 * On a terminal the table stays in place; otherwise plain lines. Ctrl-C ends it in order.
 */
import { parseArgs } from 'node:util'
import { defaultPlan } from '../plan.js'
import { openStage } from '../stage.js'
import { renderGaps, renderTable } from './table.js'

const { values } = parseArgs({
  options: {
    speed: { type: 'string', default: '5' },
    seed: { type: 'string', default: '1' },
    seconds: { type: 'string' },
    gateways: { type: 'string', default: '1' },
    set: { type: 'string', multiple: true, default: [] },
  },
})
const live = process.stdout.isTTY === true
const WINDOW = '5s'
const GRACE = '5s'

let stop: () => void = () => {}
const stopped = new Promise<void>(resolve => {
  stop = resolve
})
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, stop)

const stage = await openStage({
  plan: defaultPlan(Number(values.seed), Number(values.speed)),
  window: WINDOW,
  grace: GRACE,
  open: true,
  settings: values.set,
  gateways: Number(values.gateways),
})
const { backend, metricsUrl, simulation, folder, gateways } = stage
const { replicas, nodes } = simulation.factory
const about = [
  `A simulated AI factory: ${replicas.length} engines on ${nodes.size} nodes, ${values.speed} times as fast as life. Windows of ${WINDOW} close ${GRACE} after they end.`,
  `${gateways.length === 1 ? 'The gateway runs' : `${gateways.length} gateways run`} config/examples/demo.yaml. Own metrics: ${metricsUrl}   data: ${folder}`,
]
console.log(about.join('\n'))

const show = () => {
  const table = renderTable(backend, Date.now())
  const totals = `${backend.events.size} correlated events, ${backend.metrics.points} data points received by the backend`
  const lines = [...table, '', ...renderGaps(backend), totals]
  if (live) process.stdout.write(`\x1b[2J\x1b[H${[...about, '', ...lines, '', 'Ctrl-C ends it.'].join('\n')}\n`)
  else if (table.length > 1) console.log([`-- ${new Date().toISOString()}`, ...lines].join('\n'))
}
const timer = setInterval(show, live ? 1000 : 10_000)
const end = values.seconds ? setTimeout(stop, Number(values.seconds) * 1000) : undefined
await stopped
clearInterval(timer)
clearTimeout(end)
if (!live) show()
const code = await stage.close()
const who = gateways.length === 1 ? 'The gateway' : 'The gateways'
console.log(code === 0 ? `${who} drained and ended.` : `${who} ended with exit code ${code}.\n${gateways.map(({ log }) => log).join('\n')}`)
process.exitCode = code === 0 ? 0 : 1
