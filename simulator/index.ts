/** `node dist/simulator/index.js [--otlp http://localhost:4318] [--targets ./data/targets] [--speed 1] [--seed 1]`: a simulated AI factory. */
import { parseArgs } from 'node:util'
import { defaultPlan } from './plan.js'
import { Simulation } from './simulation.js'

const { values } = parseArgs({
  options: {
    otlp: { type: 'string', default: 'http://localhost:4318' },
    targets: { type: 'string', default: './data/targets' },
    speed: { type: 'string', default: '1' },
    seed: { type: 'string', default: '1' },
  },
})
const simulation = await Simulation.start({
  plan: defaultPlan(Number(values.seed), Number(values.speed)),
  otlp: [values.otlp],
  targets: values.targets,
})
console.log(
  `a factory of ${simulation.factory.replicas.length} engines; traces go to ${values.otlp}, scrape targets stand in ${values.targets}`,
)
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, async () => {
    await simulation.stop()
    console.log(JSON.stringify(Object.fromEntries(simulation.factory.books()), null, 2))
    process.exit(0)
  })
