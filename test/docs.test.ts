/** Documents say what is there: components, commands, metrics, and nothing that has moved. */
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { commands } from '../cli/commands.js'
import { allComponents, between, documents } from '../scripts/docs.js'

const root = resolve(__dirname, '..')
const files = (...patterns: string[]): string[] =>
  execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', ...patterns], { cwd: root, encoding: 'utf8' })
    .split('\n')
    .filter(file => file !== '' && existsSync(join(root, file)))
const read = (file: string): string => readFileSync(join(root, file), 'utf8')
const matches = (text: string, pattern: RegExp): string[] => Array.from(text.matchAll(pattern), match => match[1]!)

describe('documents', () => {
  it('every component has a README with its table of options', async () => {
    const paths = (await allComponents()).map(({ folder, component: { type } }) => `${folder}/${type}/README.md`)
    expect(paths.filter(path => !existsSync(join(root, path)))).toEqual([])
    const withTable = (await documents(root)).filter(({ text }) => text.includes('<!-- options -->') && text.includes('<!-- /options -->'))
    expect(withTable.map(({ path }) => path)).toEqual(expect.arrayContaining(paths))
  })

  it('the generated tables are up to date (else: npm run docs)', async () => {
    const stale = (await documents(root)).filter(({ text, fresh }) => text !== fresh)
    expect(stale.map(({ path }) => path)).toEqual([])
  })

  it('only what stands between the markers is replaced', () => {
    expect(between('a\n<!-- x -->\nold\n<!-- /x -->\nb', 'x', 'new')).toBe('a\n<!-- x -->\n\nnew\n\n<!-- /x -->\nb')
    expect(between('no markers', 'x', 'new')).toBe('no markers')
  })

  it('every relative link leads to a file', () => {
    const broken = files('*.md').flatMap(file =>
      matches(read(file), /\]\(([^)#\s]+)/g)
        .filter(target => !/^[a-z]+:/.test(target) && !existsSync(join(root, dirname(file), target)))
        .map(target => `${file}: ${target}`),
    )
    expect(broken).toEqual([])
  })

  it('every document that code speaks of is there', () => {
    const missing = files('*.ts', '*.cjs', '*.mjs', 'Dockerfile', '.ci/*').flatMap(file =>
      matches(read(file), /\b(docs\/[\w./-]+\.md)/g)
        // The OTLP specification's own path is cited as a source.
        .filter(path => path !== 'docs/specification.md' && !existsSync(join(root, path)))
        .map(path => `${file}: ${path}`),
    )
    expect(missing).toEqual([])
  })

  it('every command in a sh block exists', () => {
    const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> }
    const lines = files('*.md').flatMap(file => matches(read(file), /^```sh\n(.*?)^```/gms).flatMap(block => block.split('\n')))
    const calls = lines.flatMap(line => line.replace(/#.*/, '').split('&&')).map(call => call.trim().split(/\s+/))
    const unknown = calls.filter(([program, first, second]) => {
      if (program === 'npm' && first === 'run') return !Object.hasOwn(scripts, second!)
      if (program === 'npm') return first !== 'install' && !Object.hasOwn(scripts, first!)
      if (program === 'node') return first !== 'dist/main.js' || !Object.hasOwn(commands, second!)
      if (program === 'npx') return !['biome', 'jest'].includes(first!)
      return program !== '' && !existsSync(join(root, program!))
    })
    expect(calls.length).toBeGreaterThan(0)
    expect(unknown).toEqual([])
  })

  it('every metric of our own is explained in docs/own-telemetry.md', () => {
    const document = read('docs/own-telemetry.md')
    const sources = files('*.ts').filter(file => !/\.test\.ts$|(^|\/)(testing|test|simulator|bench)\//.test(file))
    const names = sources.flatMap(file => {
      const text = read(file)
      // The streams' metrics share a prefix.
      const short = text.includes("PREFIX = 'ai_factory_gateway_stream_'")
        ? matches(text, /(?:counter|gauge)\(\s*[`'](?:\$\{PREFIX\})?(\w+)[`']/g)
        : []
      return [...short, ...matches(text, /'(ai_factory_gateway_\w*[a-z])'/g)]
    })
    expect(names.length).toBeGreaterThan(40)
    expect(names.filter(name => !document.includes(name.replace('ai_factory_gateway_stream_', '')))).toEqual([])
  })

  it('every dependency has its reason in docs/dependencies.md', () => {
    const { dependencies, devDependencies } = JSON.parse(read('package.json')) as Record<string, Record<string, string>>
    const told = new Set(read('docs/dependencies.md').split(/[|,\s]+/))
    expect(Object.keys({ ...dependencies, ...devDependencies }).filter(name => !told.has(name))).toEqual([])
  })

  it('decisions are numbered once each, in their title as in their name', () => {
    const titles = files('docs/decisions/*.md').map(file => [
      Number(/(\d{4})-/.exec(file)?.[1]),
      Number(/^# (\d+)\. /.exec(read(file))?.[1]),
    ])
    expect(titles.filter(([name, title]) => name !== title)).toEqual([])
    expect(new Set(titles.map(([name]) => name)).size).toBe(titles.length)
  })
})
