/** Command line → command. */
import { parseArgs } from 'node:util'
import { ConfigError } from '../config/problem.js'
import { suggestion } from '../config/suggest.js'
import { type Command, commands, type Input } from './commands.js'
import { version } from './version.js'

const PROGRAM = 'ai-factory-gateway'
const OPTIONS = {
  config: { type: 'string', multiple: true, default: [] as string[] },
  set: { type: 'string', multiple: true, default: [] as string[] },
  help: { type: 'boolean', short: 'h', default: false },
  version: { type: 'boolean', short: 'v', default: false },
} as const

const FAILED = 1
const MISUSED = 2

const usage = (): string => {
  const rows = Object.entries(commands).map(([name, { summary, operands }]): [string, string] => [[name, ...operands].join(' '), summary])
  const width = Math.max(...rows.map(([name]) => name.length))
  return [
    `usage: ${PROGRAM} COMMAND [--config FILE]... [--set a.b=c]...`,
    '',
    'commands:',
    ...rows.map(([name, summary]) => `  ${name.padEnd(width)}  ${summary}`),
    '',
    'options:',
    '  --config FILE  a configuration; several are merged in order',
    '  --set a.b=c    sets one option; wins over the files (a::b.c=d where names have dots)',
    '  --help         this text',
    '  --version      the version',
    '',
    'exit codes: 0 done, 1 failed while running, 2 wrong command line or configuration',
    '',
  ].join('\n')
}

class UsageError extends Error {}

const read = (args: readonly string[]) => {
  try {
    return parseArgs({ args: [...args], options: OPTIONS, allowPositionals: true })
  } catch (error) {
    // Only the first sentence: what follows is advice about parsing, not about this program.
    const message = (error as Error).message.split('. ')[0]!
    const unknown = /^Unknown option '--?([\w-]+)'/.exec(message)?.[1]
    throw new UsageError(unknown === undefined ? message : `unknown option --${unknown}${suggestion(unknown, Object.keys(OPTIONS))}`)
  }
}

const choose = (name: string | undefined, operands: readonly string[], files: readonly string[]): Command => {
  if (name === undefined) throw new UsageError('no command given')
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined
  if (!command) throw new UsageError(`unknown command "${name}"${suggestion(name, Object.keys(commands))}`)
  if (command.configured && files.length === 0) throw new UsageError(`${name} needs --config FILE, such as --config pipeline.yaml`)
  if (operands.length !== command.operands.length) throw new UsageError(`usage: ${PROGRAM} ${[name, ...command.operands].join(' ')}`)
  return command
}

/** Resolves with the exit code. `args` are those behind the program's name. */
export const main = async (args: readonly string[], { out, err }: Pick<Input, 'out' | 'err'>): Promise<number> => {
  try {
    const { values, positionals } = read(args)
    if (values.help || values.version) {
      out(values.help ? usage() : `${version()}\n`)
      return 0
    }
    const [name, ...operands] = positionals
    const command = choose(name, operands, values.config)
    return await command.run({ files: values.config, sets: values.set, operands, version: version(), out, err })
  } catch (error) {
    if (error instanceof ConfigError) err(`${error.message}\n`)
    else if (error instanceof UsageError) err(`${error.message}\n\n${usage()}`)
    else err(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`)
    return error instanceof ConfigError || error instanceof UsageError ? MISUSED : FAILED
  }
}
