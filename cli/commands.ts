/** Everything the command line can do. To add a command, add a row. */
import { load } from '../config/load.js'
import { print } from '../config/print.js'
import { problemText } from '../config/problem.js'
import { listing } from './listing.js'
import { makePlan, type Plan } from './plan.js'
import { registries } from './registries.js'
import { run } from './run.js'
import { fileSchema } from './schema.js'

export interface Input {
  /** `--config` files in order. */
  readonly files: readonly string[]
  /** `--set` settings in order. */
  readonly sets: readonly string[]
  /** What stands behind the command's name. */
  readonly operands: readonly string[]
  readonly version: string
  readonly out: (text: string) => void
  readonly err: (text: string) => void
}

export interface Command {
  readonly summary: string
  /** Names of the operands it needs. */
  readonly operands: readonly string[]
  /** Whether it reads a configuration. */
  readonly configured: boolean
  /** Resolves with the exit code. ConfigErrors are told, and exit with 2. */
  run(input: Input): Promise<number>
}

const planFrom = ({ files, sets }: Input): Promise<Plan> => makePlan(load({ files, sets }))

export const commands: Readonly<Record<string, Command>> = {
  run: {
    summary: 'run the pipelines until SIGTERM or SIGINT',
    operands: [],
    configured: true,
    run: async input => run(await planFrom(input), input.version),
  },
  validate: {
    summary: 'check the configuration; opens nothing',
    operands: [],
    configured: true,
    run: async input => {
      const { warnings } = await planFrom(input)
      for (const warning of warnings) input.err(`warning: ${problemText(warning)}\n`)
      input.out('the configuration is valid\n')
      return 0
    },
  },
  'print-config': {
    summary: 'print the configuration in force, secrets masked',
    operands: [],
    configured: true,
    run: async input => {
      const { root, schema } = await planFrom(input)
      input.out(print(root, schema))
      return 0
    },
  },
  'explain-workload': {
    summary: 'say whose the telemetry in FILE is (OTLP/JSON or Prometheus text; - = stdin), and by which rule',
    operands: ['FILE'],
    configured: false,
    run: async ({ files, sets, operands, ...said }) => {
      const { explainWorkload } = await import('./explain-workload.js')
      return explainWorkload(operands[0]!, load({ files, sets }), said)
    },
  },
  components: {
    summary: 'list what this build contains',
    operands: [],
    configured: false,
    run: async input => {
      input.out(`${await listing(registries)}\n`)
      return 0
    },
  },
  schema: {
    summary: 'print the JSON Schema of the configuration, for editors',
    operands: [],
    configured: false,
    run: async input => {
      input.out(`${JSON.stringify(await fileSchema(registries), null, 2)}\n`)
      return 0
    },
  },
}
