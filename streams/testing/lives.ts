/** Processes that run a stream, to be killed and frozen: what they acknowledged, and what came out of all of them together. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { type Options, transformFileSync } from '@swc/core'

const root = resolve(__dirname, '..', '..')

/** Strips the types of what the child needs, so that plain node can run it; gives the script. */
const build = (to: string): string => {
  for (const folder of ['streams', 'storage', 'config', 'kafka'])
    for (const name of readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })) {
      if (!name.endsWith('.ts') || /\.(test|d)\.ts$/.test(name)) continue
      const target = join(to, folder, name.replace(/ts$/, 'js'))
      mkdirSync(dirname(target), { recursive: true })
      const options: Options = { jsc: { target: 'es2023', parser: { syntax: 'typescript' } }, module: { type: 'es6' } }
      writeFileSync(target, transformFileSync(join(root, folder, name), options).code)
    }
  writeFileSync(join(to, 'package.json'), '{"type":"module"}')
  symlinkSync(join(root, 'node_modules'), join(to, 'node_modules'))
  return join(to, 'streams', 'testing', 'child.js')
}

export interface Life {
  /** Its ids are above. */
  readonly firstId: number
  readonly process: ChildProcess
  /** Resolves at its first acknowledgement. */
  readonly began: Promise<void>
  /** Kills it as `kill -9` does; resolves when it is gone. */
  kill(): Promise<void>
}

export class Lives {
  readonly acknowledged = new Set<number>()
  private readonly script: string
  private readonly living = new Set<Life>()
  private lastId = 0

  /** `options`: of the stream, as in pipeline.yaml. */
  constructor(
    private readonly directory: string,
    private readonly options: Readonly<Record<string, unknown>>,
  ) {
    this.script = build(join(directory, 'build'))
  }

  start(): Life {
    const first = (this.lastId += 1_000_000)
    const args = [this.script, JSON.stringify(this.options), this.outputs, String(first)]
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] })
    let said = ''
    let errors = ''
    let killed = false
    let begin = (): void => {}
    const began = new Promise<void>(resolve => (begin = resolve))
    child.stdout.on('data', data => {
      said += data.toString()
      begin()
      const whole = said.slice(0, said.lastIndexOf('\n') + 1)
      said = said.slice(whole.length)
      for (const id of whole.split('\n').filter(Boolean)) this.acknowledged.add(Number(id))
    })
    child.stderr.on('data', data => (errors += data.toString()))
    const gone = new Promise<void>((resolve, reject) =>
      child.on('close', code => (killed ? resolve() : reject(new Error(`the child ended by itself: ${code} ${errors}`)))),
    )
    const life: Life = {
      firstId: first,
      process: child,
      began: Promise.race([began, gone]),
      kill: () => {
        killed = true
        this.living.delete(life)
        child.kill('SIGKILL')
        return gone
      },
    }
    this.living.add(life)
    return life
  }

  async killAll(): Promise<void> {
    await Promise.all([...this.living].map(life => life.kill()))
  }

  /** What lives before `last` acknowledged and nobody has let out. */
  missing(last: Life): number[] {
    const facts = this.facts()
    return [...this.acknowledged].filter(id => id <= last.firstId && !facts.has(id))
  }

  /** By id of a fact, every text that it left with: one text when all copies are equal. */
  facts(): Map<number, Set<string>> {
    const facts = new Map<number, Set<string>>()
    for (const line of readFileSync(this.outputs, 'utf8').split('\n').slice(0, -1)) {
      const [id, ...text] = line.split(' ')
      facts.set(Number(id), (facts.get(Number(id)) ?? new Set()).add(text.join(' ')))
    }
    return facts
  }

  private get outputs(): string {
    return join(this.directory, 'outputs')
  }
}
