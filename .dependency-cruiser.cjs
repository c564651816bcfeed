/**
 * Imports point down, never sideways (docs/design.md has the picture).
 *
 *                     main.ts, cli
 *   receivers  processors  exporters  extensions      islands: none imports another
 *               runtime     streams                   neither knows the other
 *        config   proto   storage   kafka             leaves: import nothing of ours
 */
const ISLANDS = ['receivers', 'processors', 'exporters', 'extensions']
const LEAVES = ['config', 'proto', 'storage', 'kafka']
const OURS = [...ISLANDS, 'runtime', 'streams', ...LEAVES]
const TOP = ['cli']
const OUTSIDE = ['simulator', 'bench', 'test']
const folders = names => `^(${names.join('|')})/`
const except = (all, some) => all.filter(name => !some.includes(name))

/** `from` may import its own folder and `allowed`, and nothing else of ours. */
const onlyImports = (from, allowed) => ({
  name: `${from}-imports-down`,
  severity: 'error',
  comment: `${from}/ may import ${allowed.length ? allowed.join(', ') : 'nothing of ours'}`,
  from: { path: `^${from}/`, pathNot: '\\.test\\.ts$' },
  to: { path: `${folders(except([...OURS, ...TOP, ...OUTSIDE], [from, ...allowed]))}|^main\\.ts$` },
})

module.exports = {
  forbidden: [
    ...LEAVES.map(leaf => onlyImports(leaf, [])),
    onlyImports('runtime', ['config', 'proto', 'storage', 'kafka']),
    onlyImports('streams', ['config', 'proto', 'storage', 'kafka']),
    ...ISLANDS.map(island => onlyImports(island, ['runtime', 'streams', ...LEAVES])),
    {
      name: 'components-are-islands',
      severity: 'error',
      comment: 'one component folder never imports another; what two need lives in runtime/, streams/ or a leaf',
      from: { path: `^(${ISLANDS.join('|')})/([^/]+)/` },
      to: { path: folders(ISLANDS), pathNot: '^$1/$2/' },
    },
    {
      name: 'nothing-stands-above-the-top',
      severity: 'error',
      comment: 'main.ts and cli/ put the pieces together; nothing but tests stands above them',
      from: { path: '^(cli/|main\\.ts$)', pathNot: '\\.test\\.ts$' },
      to: { path: folders(OUTSIDE) },
    },
    {
      name: 'outside-uses-public-surfaces',
      severity: 'error',
      comment: 'simulator and bench speak protocols; from our code they may use proto/ and the leaf kafka/ alone',
      from: { path: '^(simulator|bench)/', pathNot: '\\.test\\.ts$' },
      to: { path: `${folders(except([...OURS, ...TOP], ['proto', 'kafka']))}|^main\\.ts$` },
    },
    {
      name: 'testing-stays-in-tests',
      severity: 'error',
      comment: 'folders named testing/ are for tests',
      from: { path: folders([...OURS, ...TOP]), pathNot: '(\\.test\\.ts$|/testing/)' },
      to: { path: '/testing/' },
    },
    { name: 'kafkajs-behind-one-port', severity: 'error', from: { pathNot: '^kafka/' }, to: { path: 'node_modules/kafkajs' } },
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^(dist|node_modules)/' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
  },
}
