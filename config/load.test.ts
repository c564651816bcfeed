import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { stringify } from 'yaml'
import { load } from './load.js'
import { parse } from './parse.js'
import { ConfigError } from './problem.js'
import { merge, toPlain } from './tree.js'

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'config-load-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

const write = (name: string, text: string | Uint8Array): string => {
  writeFileSync(join(folder, name), text)
  return join(folder, name)
}
const loaded = (text: string, sets: string[] = [], env: Record<string, string> = {}): unknown =>
  toPlain(load({ files: [write('one.yaml', text)], sets, env }))
/** The message, with the folder's name taken out. */
const complaint = (task: () => unknown): string => {
  try {
    task()
  } catch (error) {
    if (error instanceof ConfigError) return error.message.replaceAll(`${folder}/`, '')
    throw error
  }
  throw new Error('expected a ConfigError')
}

test.each([
  ['a tab that indents', 'a:\n\tb: 1\n', 'one.yaml:2:1: a tab cannot indent YAML; use spaces'],
  ['a duplicate key', 'a:\n  b: 1\n  c: 2\n  b: 3\n', 'one.yaml:4:3: a.b: duplicate key, first written on line 2; keep one'],
  [
    'a second document',
    'a: 1\n---\nb: 2\n',
    'one.yaml:2:1: a second YAML document begins here; keep one per file and give --config several times to merge files',
  ],
  ['two keys on one line', 'a: b: c\n', 'one.yaml:1:4: a second "key:" on one line; put it on its own line, or quote the text'],
  ['an unclosed quote', 'a: "x\n', 'one.yaml:2:1: not valid YAML: Missing closing "quote'],
  ['a list as root', '- a\n', 'one.yaml:1:1: expected a map such as "receivers: …", got a list'],
  ['a text as root', 'hello\n', 'one.yaml:1:1: expected a map such as "receivers: …", got a single value'],
  ['a foreign tag', 'a: !secret x\n', 'one.yaml:1:4: not valid YAML: Unresolved tag: !secret'],
  ['an unknown alias', 'a:\n  b: *x\n', 'one.yaml:2:6: a.b: alias *x has no finished anchor &x before it'],
  ['an alias inside its own anchor', 'a: &a\n  - *a\n', 'one.yaml:2:5: a[0]: alias *a has no finished anchor &a before it'],
  ['a reserved name', 'a:\n  __proto__: 1\n', 'one.yaml:2:3: __proto__: this name is reserved; choose another'],
  ['a key that is a list', '? [a]\n: b\n', 'one.yaml:1:3: expected a name before the colon'],
  [
    'a missing variable',
    'a:\n  b: ${env:TOKEN}\n',
    'one.yaml:2:6: a.b: environment variable TOKEN is not set; set it, or give a default: ${env:TOKEN:-value}',
  ],
  [
    'a mistyped variable',
    'a: "x ${env:GATEWAI_PORT}"\n',
    'one.yaml:1:4: a: environment variable GATEWAI_PORT is not set; did you mean GATEWAY_PORT?',
  ],
  ['an unclosed reference', 'a: [x, "${env:A"]\n', 'one.yaml:1:8: a[1]: this "${" has no closing "}"; write $$ for a plain dollar sign'],
  ['a capture group', 'a: ${1}\n', 'one.yaml:1:4: a: ${1} does not name an environment variable; write $${1} for that text itself'],
  ['an unknown source', 'a: ${vault:x}\n', 'one.yaml:1:4: a: ${vault:…} is no known source; known are env, file'],
  ['a missing included file', 'a: ${file:/no/such}\n', 'one.yaml:1:4: a: cannot read /no/such: there is no such file'],
])('%s is refused where it stands', (_, text, message) => {
  expect(complaint(() => loaded(text, [], { GATEWAY_PORT: '1' }))).toBe(message)
})

test('every problem of every file is told at once', () => {
  const one = write('one.yaml', 'a: ${env:A}\nb: [1, "${env:B}"]\n')
  const message = complaint(() => load({ files: [one], env: {} }))
  expect(message.split('\n').map(line => line.split(': environment')[0])).toEqual(['one.yaml:1:4: a', 'one.yaml:2:8: b[1]'])
  expect(complaint(() => load({ files: [write('x.yaml', '- 1'), write('y.yaml', '- 2')], sets: ['a'], env: {} })).split('\n')).toHaveLength(
    3,
  )
})

test('a bomb of aliases is refused before it expands', () => {
  const levels = Array.from({ length: 12 }, (_, n) => `l${n + 1}: &l${n + 1} [${Array(10).fill(`*l${n}`).join(', ')}]`)
  expect(complaint(() => loaded(['l0: &l0 boom', ...levels].join('\n')))).toBe(
    'one.yaml:6:45: l5[7]: aliases expand to more than 100000 values; write them out or use fewer',
  )
})

test.each(['[', '{a: ', '- '])('nesting 100,000 deep by %j is one message, not a crash', opening => {
  expect(complaint(() => loaded(opening.repeat(100_000)))).toMatch(
    /^one.yaml:\d+:\d+: (a[a.]*: |[a[\]0.]*: )?(nested deeper than 100 levels|not valid YAML)/,
  )
})

test.each([
  ['no file', () => join(folder, 'none.yaml'), 'cannot read none.yaml: there is no such file'],
  ['a directory', () => mkdtempSync(join(folder, 'dir')), /^cannot read dir\w+: it is a directory$/],
  ['more than 1 MiB', () => write('big.yaml', 'a'.repeat(2 ** 20 + 1)), 'cannot read big.yaml: 1048577 bytes, more than 1 MiB; split it'],
  [
    'bytes that are no UTF-8',
    () => write('latin.yaml', Uint8Array.of(0x61, 0x3a, 0x20, 0xe4)),
    'cannot read latin.yaml: it is not UTF-8 text',
  ],
])('%s as configuration is one message', (_, make, message) => {
  expect(complaint(() => load({ files: [make()], env: {} }))).toMatch(message)
})

test('a message about broken YAML does not repeat its text', () => {
  expect(complaint(() => loaded('a: {password: "hunter2" hunter3: ]}'))).not.toContain('hunter')
})

test.each<[string, string, Record<string, string>, unknown]>([
  ['a number', '${env:X}', { X: '8080' }, 8080],
  ['a boolean, by its bare name', '${X}', { X: 'true' }, true],
  ['a text', '${env:X}', { X: 'a: b: c' }, 'a: b: c'],
  ['a list', '${env:X}', { X: '[1, b]' }, [1, 'b']],
  ['nothing', '${env:X}', { X: '' }, null],
  ['its default, typed', '${env:X:-5}', {}, 5],
  ['its default from another variable', '${env:X:-${env:Y}}', { Y: '7' }, 7],
  ['text inside text', 'localhost:${env:X}', { X: '4317' }, 'localhost:4317'],
  ['two texts', '${env:X}${env:X}', { X: '1' }, '11'],
  ['a plain dollar sign', 'cost $$5 $${env:X} $1', {}, 'cost $5 ${env:X} $1'],
  ['what the variable holds, unread', '${env:X}', { X: 'a ${env:Y} b' }, 'a ${env:Y} b'],
])('a reference gives %s', (_, value, env, expected) => {
  expect(loaded(`a: ${JSON.stringify(value)}`, [], env)).toEqual({ a: expected })
})

test('an included file gives its map, its references resolved, or its text unfolded', () => {
  const map = write('map.yaml', 'timeout: ${env:T}\nnames: [x]\n')
  const text = write('cert.pem', '-----BEGIN-----\nAAAA\nBBBB\n-----END-----\n')
  expect(loaded(`a: \${file:${map}}\nb: \${file:${text}}\n`, [], { T: '5s' })).toEqual({
    a: { timeout: '5s', names: ['x'] },
    b: '-----BEGIN-----\nAAAA\nBBBB\n-----END-----',
  })
  const loop = write('loop.yaml', `again: \${file:${join(folder, 'loop.yaml')}}\n`)
  expect(complaint(() => loaded(`a: \${file:${loop}}`))).toBe('loop.yaml:1:8: a.again: ${file:loop.yaml} includes itself')
})

test('files merge in order: maps key by key, lists and values replaced; --set comes last', () => {
  const base = write('base.yaml', 'p: {batch: {timeout: 1s, size: 5}}\nl: [a, b]\nkeep: 1\n')
  const over = write('over.yaml', 'p: {batch: {timeout: 2s}, new: }\nl: [c]\n')
  const sets = ['p.batch.size=6', 'p.batch.size=7', 'attributes::service.name=x', 'list=[1, "2"]', 'from=${env:X}', 'nothing=']
  expect(toPlain(load({ files: [base, over], sets, env: { X: '9' } }))).toEqual({
    p: { batch: { timeout: '2s', size: 7 }, new: null },
    l: ['c'],
    keep: 1,
    attributes: { 'service.name': 'x' },
    list: [1, '2'],
    from: 9,
    nothing: null,
  })
})

test.each([
  ['p.batch', '--set p.batch: expected a.b.c=value, such as processors.batch.timeout=2s'],
  ['a..b=1', '--set a..b: expected a.b.c=value, such as processors.batch.timeout=2s'],
  ['a.token=${env:NONE}', '--set a.token: a.token: environment variable NONE is not set; set it, or give a default: ${env:NONE:-value}'],
])('--set %s is refused without showing a value', (setting, message) => {
  expect(complaint(() => loaded('a: {}', [setting]))).toBe(message)
})

test('an override may replace a reference that could not be resolved', () => {
  expect(loaded('a: ${env:NONE}', ['a=1'])).toEqual({ a: 1 })
})

test('merge keys and anchors are read as YAML 1.1 writers expect, own keys first', () => {
  expect(loaded('base: &base {a: 1, b: 2}\nc: {<<: *base, b: 3}\n')).toEqual({ base: { a: 1, b: 2 }, c: { a: 1, b: 3 } })
})

const word = fc.string({ unit: fc.constantFrom(...'abcxyz_/'), minLength: 1, maxLength: 4 })
const value = fc.letrec(tie => ({
  tree: fc.oneof(
    { maxDepth: 4 },
    fc.oneof(fc.string(), fc.integer(), fc.boolean(), fc.constant(null)),
    fc.array(tie('tree'), { maxLength: 4 }),
    tie('map'),
  ),
  map: fc.dictionary(word, tie('tree'), { maxKeys: 4, noNullPrototype: true }),
}))

test('what YAML writes is read back, and text whose dollars are doubled survives substitution', () => {
  const doubled = (plain: unknown): unknown => JSON.parse(JSON.stringify(plain).replaceAll('$', '$$$$'))
  fc.assert(
    fc.property(value.map, plain => {
      expect(loaded(stringify(doubled(plain)))).toEqual(plain)
    }),
    { numRuns: 60 },
  )
})

test('merging is associative, keeps every key, and lets the later one win', () => {
  const tree = (plain: unknown) => parse(stringify(plain), 'x')
  fc.assert(
    fc.property(value.map, value.map, value.map, (a, b, c) => {
      const left = toPlain(merge(merge(tree(a), tree(b)), tree(c)))
      expect(left).toEqual(toPlain(merge(tree(a), merge(tree(b), tree(c)))))
      expect(toPlain(merge(tree(a), tree(a)))).toEqual(a)
      expect(Object.keys(left as object).sort()).toEqual([...new Set([a, b, c].flatMap(one => Object.keys(one as object)))].sort())
    }),
    { numRuns: 100 },
  )
})
