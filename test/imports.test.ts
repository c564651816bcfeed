import { execFileSync, spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'

const root = resolve(__dirname, '..')
let copy: string

/** The sources as git knows them, new files included, beside the same dependencies. */
beforeAll(() => {
  copy = mkdtempSync(join(tmpdir(), 'imports-'))
  const files = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], { cwd: root, encoding: 'utf8' })
  const wanted = files.split('\n').filter(file => file.endsWith('.ts') || file === 'tsconfig.json' || file === '.dependency-cruiser.cjs')
  for (const file of wanted) cpSync(join(root, file), join(copy, file), { force: true })
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'))
})
afterAll(() => rmSync(copy, { recursive: true }))

/** Runs the check as `npm run imports` does: `rule file` of every error it reports. */
const check = (): { status: number | null; found: string[] } => {
  const cruiser = join(root, 'node_modules/dependency-cruiser/bin/dependency-cruise.mjs')
  const { status, stdout } = spawnSync(process.execPath, [cruiser, '--config', '.dependency-cruiser.cjs', '.'], {
    cwd: copy,
    encoding: 'utf8',
  })
  return { status, found: Array.from(stdout.matchAll(/error ([\w-]+): (\S+)/g), ([, rule, file]) => `${rule} ${file}`) }
}

/** Rule → file that breaks it and what that file imports. */
const BREAKS: readonly (readonly [rule: string, file: string, imported: string])[] = [
  ['config-imports-down', 'config/planted.ts', '../runtime/errors.js'],
  ['proto-imports-down', 'proto/planted.ts', '../config/options.js'],
  ['storage-imports-down', 'storage/planted.ts', '../proto/wire.js'],
  ['kafka-imports-down', 'kafka/planted.ts', '../proto/wire.js'],
  ['runtime-imports-down', 'runtime/planted.ts', '../streams/handler.js'],
  ['streams-imports-down', 'streams/planted.ts', '../runtime/errors.js'],
  ['receivers-imports-down', 'receivers/planted/index.ts', '../../exporters/index.js'],
  ['processors-imports-down', 'processors/planted/index.ts', '../../cli/version.js'],
  ['exporters-imports-down', 'exporters/planted/index.ts', '../../processors/index.js'],
  ['extensions-imports-down', 'extensions/planted/index.ts', '../../receivers/index.js'],
  ['components-are-islands', 'receivers/planted/second.ts', '../otlp/index.js'],
  ['outside-uses-public-surfaces', 'bench/planted.ts', '../runtime/errors.js'],
  ['nothing-stands-above-the-top', 'cli/planted.ts', '../bench/report.js'],
  ['testing-stays-in-tests', 'runtime/untested.ts', './testing/clock.js'],
  ['kafkajs-behind-one-port', 'streams/planted-client.ts', 'kafkajs'],
  ['no-cycles', 'proto/circle-a.ts', './circle-b.js'],
]

test('the sources keep the import rule, and every rule catches a break planted in a copy of them', () => {
  expect(check()).toEqual({ status: 0, found: [] })

  const plant = (file: string, imported: string): void => {
    mkdirSync(join(copy, dirname(file)), { recursive: true })
    writeFileSync(join(copy, file), `import * as planted from '${imported}'\nexport const used = planted\n`)
  }
  for (const [, file, imported] of BREAKS) plant(file, imported)
  plant('proto/circle-b.ts', './circle-a.js')

  const { status, found } = check()
  expect(found).toEqual(expect.arrayContaining(BREAKS.map(([rule, file]) => `${rule} ${file}`)))
  expect(status).not.toBe(0)
}, 60_000)
