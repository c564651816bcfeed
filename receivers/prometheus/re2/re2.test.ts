import fc from 'fast-check'
import { Pattern, PatternError } from './index.js'
import { backtracking, javascriptSource } from './javascript.js'
import { compile, run } from './linear.js'
import { readSyntax } from './syntax.js'

const message = (source: string): string => {
  try {
    new Pattern(source)
  } catch (error) {
    expect(error).toBeInstanceOf(PatternError)
    return (error as PatternError).message
  }
  return 'accepted'
}

test.each<[string, string, (string | undefined)[] | undefined]>([
  ['(.*)', 'a\nb', ['a\nb', 'a\nb']],
  ['foo', 'foobar', undefined],
  ['foo|bar', 'bar', ['bar']],
  ['(.+):(\\d+)', '10.0.0.1:9400', ['10.0.0.1:9400', '10.0.0.1', '9400']],
  ['([^:]+)(?::\\d+)?;(\\d+)', 'node-1:10250;9400', ['node-1:10250;9400', 'node-1', '9400']],
  ['(?P<host>.+?)(:\\d+)?', 'node-1:9', ['node-1:9', 'node-1', ':9']],
  ['(a)|(b)', 'b', ['b', undefined, 'b']],
  ['DCGM_FI_(DEV|PROF)_.*', 'DCGM_FI_PROF_SM_ACTIVE', ['DCGM_FI_PROF_SM_ACTIVE', 'PROF']],
  ['(?i)gpu[a-c]', 'GPUb', ['GPUb']],
  ['(?i:g)pu', 'Gpu', ['Gpu']],
  ['(?i:g)pu', 'GPU', undefined],
  ['(?-s).*', 'a\nb', undefined],
  ['(?m)a$\n^b', 'a\nb', ['a\nb']],
  ['\\Qa.b\\E+', 'a.bb', ['a.bb']],
  ['[[:alpha:]_][[:^digit:]]', 'a-', ['a-']],
  ['\\pL\\p{Greek}\\P{Lu}', 'zβx', ['zβx']],
  ['\\x41\\x{1F600}\\101\\t', 'A\u{1F600}A\t', ['A\u{1F600}A\t']],
  ['a{2}b{,2}c{', 'aab{,2}c{', ['aab{,2}c{']],
  ['a{1,2}?(a*)', 'aaa', ['aaa', 'aa']],
  ['(?U)a{1,2}(a*)', 'aaa', ['aaa', 'aa']],
  ['[]a]+[^]a]', ']ab', [']ab']],
  ['[a\\-z\\]]+', '-]a', ['-]a']],
  ['[\\d\\-.]+', '1.-', ['1.-']],
  ['a-b\\-c', 'a-b-c', ['a-b-c']],
  ['\\s', '\u00a0', undefined],
  ['[\\S]', '\u00a0', ['\u00a0']],
  ['.', '\u{1F600}', ['\u{1F600}']],
  ['^(?:x)$|', '', ['']],
  ['\\bfoo\\b.*', 'foo bar', ['foo bar']],
])('%j on %j', (source, text, expected) => {
  const groups = new Pattern(source).match(text)
  expect(groups && Array.from(groups)).toEqual(expected)
  // The second engine says the same.
  const slots = run(compile(readSyntax(source).root, source), text)
  expect(slots !== undefined).toBe(expected !== undefined)
})

test.each([
  ['(?=a)', 'RE2 has no look-around'],
  ['(?<!a)b', 'RE2 has no look-around'],
  ['(a)\\1', 'RE2 has no backreferences'],
  ['a**', 'a repetition cannot be repeated'],
  ['*a', 'nothing to repeat before "*"'],
  ['(a', 'a group has no ")"'],
  ['a)', 'unexpected ")"'],
  ['[a', 'it ends too early'],
  ['[z-a]', 'bad range in a class'],
  ['[[:foo:]]', 'unknown class [:foo:]'],
  ['\\p{Klingon}', 'unknown Unicode class "Klingon"'],
  ['\\y', 'unknown escape "\\y"'],
  ['a{2,1}', 'bad repetition {2,1}'],
  ['a{1001}', 'bad repetition {1001}'],
  ['((a{100}){100}){100}', 'is too large'],
  ['(?z)', 'unknown group "(?z"'],
  ['(?P<a>b)(?P<a>c)', 'bad or repeated group name "a"'],
  ['\\x{110000}', 'is no code point'],
  ['('.repeat(300), 'groups nest too deep'],
])('refuses %.40j and says why', (source, why) => {
  expect(message(source)).toContain(why)
})

test.each([
  ['(a*)*b', 'a'.repeat(4096)],
  ['(a|a)*b', 'a'.repeat(4096)],
  ['(.*)a(.*)a(.*)a(.*)b', 'a'.repeat(4096)],
  ['(x+x+)+y', 'x'.repeat(4096)],
  ['(a?){30}a{30}', 'a'.repeat(30)],
])('%s, poison for backtracking, ends in a moment', (source, text) => {
  const started = performance.now()
  expect(new Pattern(source).test(text)).toBe(source === '(a?){30}a{30}')
  expect(performance.now() - started).toBeLessThan(1000)
})

const atom = fc.constantFrom('a', 'b', '.', '[ab]', '[^a]', '\\w', '^', '$', '\\b')
const { expression } = fc.letrec<{ expression: string }>(tie => ({
  expression: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    atom,
    fc.tuple(tie('expression'), tie('expression')).map(([left, right]) => `${left}${right}`),
    fc.tuple(tie('expression'), tie('expression')).map(([left, right]) => `(?:${left}|${right})`),
    fc.tuple(tie('expression'), fc.constantFrom('*', '+', '?', '{2}', '{1,2}', '*?', '+?')).map(([inner, times]) => `(?:${inner})${times}`),
    tie('expression').map(inner => `(${inner})`),
  ),
}))

test('both engines agree on every expression and text whether it matches', () => {
  fc.assert(
    fc.property(expression, fc.string({ unit: fc.constantFrom('a', 'b', ' '), maxLength: 8 }), (source, text) => {
      const { root } = readSyntax(source)
      const fast = new RegExp(`^(?:${javascriptSource(root)})$`, 'u').exec(text)
      const slots = run(compile(root, source), text)
      expect(slots !== undefined).toBe(fast !== null)
    }),
    { numRuns: 2000 },
  )
})

test('the bound on backtracking knows loops in loops from loops in a row', () => {
  const work = (source: string) => backtracking(readSyntax(source).root)
  expect(work('abc')).toEqual({ ways: 1, degree: 0 })
  expect(work('(.+):(\\d+)')).toEqual({ ways: 1, degree: 2 })
  expect(work('a|b|c*')).toEqual({ ways: 3, degree: 1 })
  expect(work('(a*)*').ways).toBe(Number.POSITIVE_INFINITY)
})
