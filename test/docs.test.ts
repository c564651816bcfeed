/** Documents say what the components are. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { allComponents, between, documents } from '../scripts/docs.js'

const root = join(__dirname, '..')

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
})
