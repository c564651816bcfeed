import { createHash } from 'node:crypto'
import { relabelOptions } from './options.js'
import { relabel } from './relabel.js'

type Rule = Record<string, unknown>
const run = (labels: Record<string, string>, ...rules: Rule[]): Record<string, string> | 'dropped' => {
  const map = new Map(Object.entries(labels))
  return relabel(
    map,
    rules.map(rule => relabelOptions.parse(rule)),
  )
    ? Object.fromEntries(map)
    : 'dropped'
}
const refusal = (rule: Rule): string =>
  relabelOptions
    .safeParse(rule)
    .error?.issues.map(issue => issue.message)
    .join('; ') ?? 'accepted'

const POD = { pod: 'vllm-7b-0', namespace: 'llm', job: 'dcgm' }

test.each<[string, Rule, Record<string, string> | 'dropped']>([
  [
    'replace joins its sources and expands groups',
    { source_labels: ['namespace', 'pod'], separator: '/', regex: '(.+)/(.+)-\\d+', target_label: 'workload', replacement: '$1/${2}' },
    { ...POD, workload: 'llm/vllm-7b' },
  ],
  ['replace by default copies the whole value', { source_labels: ['pod'], target_label: 'copy' }, { ...POD, copy: 'vllm-7b-0' }],
  ['replace without sources sets a constant', { target_label: 'cluster', replacement: 'a' }, { ...POD, cluster: 'a' }],
  ['replace leaves alone what does not match', { source_labels: ['pod'], regex: 'vllm', target_label: 'pod', replacement: 'x' }, POD],
  ['replace with nothing removes the label', { target_label: 'job', replacement: '' }, { pod: 'vllm-7b-0', namespace: 'llm' }],
  [
    'replace may compute the name of its target',
    { source_labels: ['pod'], regex: '(\\w+)-(.*)', target_label: 'is_$1', replacement: '$2' },
    { ...POD, is_vllm: '7b-0' },
  ],
  ['replace reads $1x as the group named 1x', { source_labels: ['pod'], target_label: 'x', replacement: '$1x$$' }, { ...POD, x: '$' }],
  [
    'replace knows named groups',
    { source_labels: ['pod'], regex: '(?P<engine>[a-z]+).*', target_label: 'engine', replacement: '$engine' },
    { ...POD, engine: 'vllm' },
  ],
  ['replace overwrites its own source', { source_labels: ['job'], target_label: 'job', replacement: 'my-$1' }, { ...POD, job: 'my-dcgm' }],
  ['keep keeps what matches from end to end', { source_labels: ['namespace'], regex: 'llm|ml', action: 'keep' }, POD],
  ['keep drops what matches in part', { source_labels: ['namespace'], regex: 'l', action: 'keep' }, 'dropped'],
  ['drop drops what matches', { source_labels: ['namespace', 'job'], regex: 'llm;dcgm', action: 'drop' }, 'dropped'],
  ['drop keeps what does not', { source_labels: ['absent'], regex: '.+', action: 'drop' }, POD],
  ['drop of a missing label sees the empty text', { source_labels: ['absent'], regex: '', action: 'drop' }, 'dropped'],
  ['keepequal drops what differs', { source_labels: ['pod'], target_label: 'job', action: 'keepequal' }, 'dropped'],
  ['keepequal keeps what is equal', { source_labels: ['job'], target_label: 'job', action: 'keepequal' }, POD],
  ['dropequal drops what is equal', { source_labels: ['job'], target_label: 'job', action: 'dropequal' }, 'dropped'],
  ['dropequal keeps what differs', { source_labels: ['pod'], target_label: 'job', action: 'dropequal' }, POD],
  ['lowercase', { source_labels: ['pod'], target_label: 'low', action: 'lowercase' }, { ...POD, low: 'vllm-7b-0' }],
  ['uppercase, spelled in capitals', { source_labels: ['pod'], target_label: 'pod', action: 'UPPERCASE' }, { ...POD, pod: 'VLLM-7B-0' }],
  ['labelmap copies', { regex: '(p)od', action: 'labelmap', replacement: 'my_$1' }, { ...POD, my_p: 'vllm-7b-0' }],
  ['labeldrop', { regex: 'pod|job', action: 'labeldrop' }, { namespace: 'llm' }],
  ['labelkeep', { regex: 'pod|job', action: 'labelkeep' }, { pod: 'vllm-7b-0', job: 'dcgm' }],
  ['a number where text is meant', { source_labels: ['pod'], regex: '.*', target_label: 'shard', replacement: 5 }, { ...POD, shard: '5' }],
])('%s', (_, rule, expected) => {
  expect(run({ ...POD }, rule)).toEqual(expected)
})

test('hashmod spreads by the last eight bytes of the md5, as Prometheus does', () => {
  const last8 = BigInt(`0x${createHash('md5').update('llm;vllm-7b-0').digest('hex').slice(16)}`)
  expect(run({ ...POD }, { source_labels: ['namespace', 'pod'], modulus: 7, target_label: '__tmp_hash', action: 'hashmod' })).toEqual({
    ...POD,
    __tmp_hash: String(last8 % 7n),
  })
  // Of prometheus' own tests: the value "" has md5 d41d8cd98f00b204e9800998ecf8427e.
  expect(run({}, { modulus: 1000, target_label: 'h', action: 'hashmod' })).toEqual({ h: String(0xe9800998ecf8427en % 1000n) })
})

test('rules run in order and see what earlier ones wrote', () => {
  expect(
    run(
      { a: 'x' },
      { source_labels: ['a'], target_label: '__tmp', replacement: 'seen-$1' },
      { source_labels: ['__tmp'], regex: 'seen-x', target_label: 'b', replacement: 'yes' },
      { regex: '__tmp', action: 'labeldrop' },
    ),
  ).toEqual({ a: 'x', b: 'yes' })
  expect(run({ a: 'x' }, { source_labels: ['a'], regex: 'x', action: 'drop' }, { target_label: 'b', replacement: '1' })).toBe('dropped')
})

test('labels named like object internals are plain labels', () => {
  expect(
    run(JSON.parse('{"__proto__":"x","constructor":"y"}'), { source_labels: ['__proto__', 'hasOwnProperty'], target_label: 'got' }),
  ).toEqual(JSON.parse('{"__proto__":"x","constructor":"y","got":"x;"}'))
})

test.each<[Rule, string]>([
  [{ action: 'replase' }, 'Invalid option'],
  [{ action: 'replace' }, 'the action replace needs target_label'],
  [{ action: 'hashmod', target_label: 'a' }, 'the action hashmod needs a modulus above 0'],
  [{ action: 'labeldrop', source_labels: ['a'] }, 'looks at label names: it takes regex alone'],
  [{ action: 'keepequal', source_labels: ['a'], target_label: 'b', regex: 'c' }, 'it takes no regex'],
  [{ target_label: 'a', regex: '(?=x)' }, 'RE2 has no look-around'],
  [{ target_label: 'a', sourcelabels: ['b'] }, 'Unrecognized key'],
])('refuses %j', (rule, expected) => {
  expect(refusal(rule)).toContain(expected)
})
