import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { makePlan } from '../cli/plan.js'
import { parse } from '../config/parse.js'
import { problemText } from '../config/problem.js'
import { substitute } from '../config/substitute.js'
import { locate, type MapNode, type Node } from '../config/tree.js'

const root = resolve(__dirname, '..')
const files = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', '*.yaml', '*.yml', '*.md'], {
  cwd: root,
  encoding: 'utf8',
})
  .split('\n')
  .filter(file => file !== '')

interface Sample {
  readonly name: string
  readonly text: string
}

/** Fenced blocks of a document, each under the line it begins on. */
const blocksOf = (file: string, text: string): Sample[] =>
  Array.from(text.matchAll(/^```ya?ml\n(.*?)^```/gms), match => ({
    name: `${file} line ${text.slice(0, match.index).split('\n').length + 1}`,
    text: match[1]!,
  }))

const samples = files.flatMap(file => {
  const text = readFileSync(join(root, file), 'utf8')
  return file.endsWith('.md') ? blocksOf(file, text) : [{ name: file, text }]
})

/** A configuration of the gateway has pipelines; other YAML (what other programs read, parts of a configuration) is only parsed. */
const isConfiguration = (node: Node): node is MapNode => node.kind === 'map' && locate(node, ['service', 'pipelines']).node !== undefined

test.each(samples)('$name is YAML, and as a configuration it is valid without a warning', async ({ name, text }) => {
  const node = parse(text, name)
  if (!isConfiguration(node)) return
  // A reference without a default is credentials or a place: any text will do.
  const bare = new Set(Array.from(text.matchAll(/\$\{env:(\w+)\}/g), match => match[1]!))
  const env = Object.fromEntries([...bare].map(variable => [variable, '1']))
  const resolved = substitute(node, { env, readFile: () => 'text' }) as MapNode
  const { warnings } = await makePlan(resolved)
  expect(warnings.map(problemText)).toEqual([])
})

test('the default pipeline and the examples are among them', () => {
  const names = samples.map(({ name }) => name)
  expect(names).toContain('pipeline.yaml')
  expect(names.filter(name => name.startsWith('config/examples/')).length).toBeGreaterThan(0)
})
