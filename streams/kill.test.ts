import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { type Options, transformFileSync } from '@swc/core'

const ROUNDS = Number(process.env.KILL_ROUNDS ?? 5)
const root = resolve(__dirname, '..')

/** Strips the types of what the child needs, so that plain node can run it; gives the folder. */
const build = (to: string): string => {
  for (const folder of ['streams', 'storage', 'config'])
    for (const name of readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })) {
      if (!name.endsWith('.ts') || name.endsWith('.test.ts')) continue
      const target = join(to, folder, name.replace(/ts$/, 'js'))
      mkdirSync(dirname(target), { recursive: true })
      const options: Options = { jsc: { target: 'es2023', parser: { syntax: 'typescript' } }, module: { type: 'es6' } }
      writeFileSync(target, transformFileSync(join(root, folder, name), options).code)
    }
  writeFileSync(join(to, 'package.json'), '{"type":"module"}')
  symlinkSync(join(root, 'node_modules'), join(to, 'node_modules'))
  return to
}

/** Runs the child, kills it `ms` after its first acknowledgement; gives the ids it acknowledged. */
const runAndKill = (script: string, args: readonly string[], ms: number): Promise<number[]> =>
  new Promise((done, fail) => {
    const child = spawn(process.execPath, [script, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
    let said = ''
    let errors = ''
    child.stdout.on('data', data => {
      if (said === '') setTimeout(() => child.kill('SIGKILL'), ms)
      said += data.toString()
    })
    child.stderr.on('data', data => (errors += data.toString()))
    child.on('close', (code, signal) => {
      if (signal !== 'SIGKILL') return fail(new Error(`the child ended by itself: ${code} ${errors}`))
      const whole = said.slice(0, said.lastIndexOf('\n') + 1)
      done(whole.split('\n').filter(Boolean).map(Number))
    })
  })

test('kill -9 under load, again and again: what was acknowledged comes out, and every copy is equal', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'kill-'))
  try {
    const script = join(build(join(directory, 'build')), 'streams', 'testing', 'child.js')
    const outputs = join(directory, 'outputs')
    const acknowledged = new Set<number>()
    let last = 0
    for (let round = 0; round < ROUNDS; round++) {
      const ids = await runAndKill(script, [join(directory, 'streams'), outputs, String(last)], 150 + Math.random() * 700)
      for (const id of ids) acknowledged.add(id)
      last = Math.max(last, ...ids) + 1000
    }
    // One more life, long enough to let everything out.
    await runAndKill(script, [join(directory, 'streams'), outputs, String(last)], 1500)
    const facts = new Map<number, Set<string>>()
    for (const line of readFileSync(outputs, 'utf8').split('\n').slice(0, -1)) {
      const [id, ...text] = line.split(' ')
      facts.set(Number(id), (facts.get(Number(id)) ?? new Set()).add(text.join(' ')))
    }
    expect(acknowledged.size).toBeGreaterThan(50 * ROUNDS)
    const missing = [...acknowledged].filter(id => !facts.has(id))
    expect(missing).toEqual([])
    const unequal = [...facts].filter(([, texts]) => texts.size > 1)
    expect(unequal).toEqual([])
  } finally {
    rmSync(directory, { recursive: true })
  }
}, 120_000)
