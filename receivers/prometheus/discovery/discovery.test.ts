import { Resolver } from 'node:dns/promises'
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { SystemClock } from '../../../runtime/clock.js'
import type { Clock } from '../../../runtime/component.js'
import { type Harness, harness } from '../../../runtime/testing/harness.js'
import type { Labels } from '../relabel/relabel.js'
import { DnsServer } from '../testing/dns_server.js'
import { Scene, text } from '../testing/scene.js'
import { DnsDiscovery } from './dns.js'
import { FileDiscovery } from './file.js'
import type { DnsOptions } from './options.js'

const until = async (condition: () => boolean, what: string): Promise<void> => {
  for (const end = performance.now() + 8000; !condition(); ) {
    if (performance.now() > end) throw new Error(`waited in vain for ${what}`)
    await new Promise(resolve => setTimeout(resolve, 10))
  }
}
const plain = (sets: readonly Labels[] | undefined): Record<string, string>[] => (sets ?? []).map(set => Object.fromEntries(set))

let kit: Harness<Clock>
let folder: string
const failures = () => kit.meter.counter('failures', '')
beforeEach(() => {
  kit = harness('prometheus', { clock: new SystemClock() as Clock })
  folder = mkdtempSync(join(tmpdir(), 'targets-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

describe('targets in files', () => {
  const write = (name: string, content: string): void => {
    writeFileSync(join(folder, `.${name}.new`), content)
    renameSync(join(folder, `.${name}.new`), join(folder, name))
  }

  test('are found by pattern in YAML and JSON, followed as files change, and kept while a file is broken', async () => {
    write('a.yaml', '- targets: [one:1, two:2]\n  labels: { rack: 7 }\n')
    write('b.json', '[{"targets": ["three:3"]}]')
    write('ignored.txt', 'nothing')
    const found: (readonly Labels[])[] = []
    const discovery = new FileDiscovery(
      { files: [join(folder, '*.yaml'), join(folder, 'b.json')], refresh_interval: 300_000 },
      'job',
      kit.context,
      failures(),
    )
    discovery.start(sets => found.push(sets))
    await until(() => found.length === 1, 'the first reading')
    expect(plain(found[0])).toEqual([
      { rack: '7', __meta_filepath: join(folder, 'a.yaml'), __address__: 'one:1' },
      { rack: '7', __meta_filepath: join(folder, 'a.yaml'), __address__: 'two:2' },
      { __meta_filepath: join(folder, 'b.json'), __address__: 'three:3' },
    ])
    write('a.yaml', '- targets: [one:1]\n')
    await until(() => found.length === 2, 'the change')
    expect(plain(found[1]).map(set => set.__address__)).toEqual(['one:1', 'three:3'])
    write('a.yaml', '- targets: [one:1\n')
    await until(() => kit.log.at('error').length === 1, 'the broken file to be told')
    write('c.yaml', '- target: [four:4]\n')
    await until(() => kit.log.at('error').length === 2, 'the misspelt file to be told')
    expect(JSON.stringify(kit.log.lines)).toContain('expected a list of {targets')
    expect(found).toHaveLength(2)
    rmSync(join(folder, 'a.yaml'))
    await until(() => found.length === 3, 'the loss')
    expect(plain(found[2]).map(set => set.__address__)).toEqual(['three:3'])
    await discovery.stop()
  })

  test('a target that leaves the file is declared gone downstream, one that comes is scraped', async () => {
    const scene = new Scene()
    const [one, two] = [await scene.serve(text('a 1\n')), await scene.serve(text('a 2\n'))]
    write('t.yaml', `- targets: ['${one}']\n`)
    await scene.start({
      scrape_configs: [{ job_name: 'files', scrape_interval: '100ms', file_sd_configs: [{ files: [join(folder, 't.yaml')] }] }],
    })
    await scene.until(() => scene.values('a').includes(1), 'the first target')
    write('t.yaml', `- targets: ['${two}']\n`)
    await scene.until(() => scene.values('a').includes(2) && scene.values('a').includes(undefined), 'the second target')
    const last = scene.points.filter(point => point.instance === one && point.metric === 'up').at(-1)
    await scene.close()
    expect(last?.value).toBeUndefined()
  })
})

describe('targets in DNS', () => {
  const server = new DnsServer()
  let resolver: Resolver
  beforeAll(async () => {
    const address = await server.listen()
    resolver = new Resolver({ timeout: 1000, tries: 1 })
    resolver.setServers([address])
  })
  afterAll(() => server.close())
  const options = (changes: Partial<DnsOptions>): DnsOptions => ({
    names: ['vllm.test'],
    type: 'A',
    port: 8000,
    refresh_interval: 50,
    ...changes,
  })

  test('A records come with the port of the configuration, and follow the zone', async () => {
    server.answers = { 'vllm.test': { a: ['10.0.0.1', '10.0.0.2'] } }
    const found: (readonly Labels[])[] = []
    const discovery = new DnsDiscovery(options({}), 'job', kit.context, failures(), resolver)
    discovery.start(sets => found.push(sets))
    await until(() => found.length === 1, 'the first answer')
    expect(plain(found[0])).toEqual(
      ['10.0.0.1', '10.0.0.2'].map(address => ({
        __address__: `${address}:8000`,
        __meta_dns_name: 'vllm.test',
        __meta_dns_srv_record_target: '',
        __meta_dns_srv_record_port: '',
      })),
    )
    server.answers = { 'vllm.test': 'fault' }
    await until(() => kit.log.at('error').length === 1, 'the fault to be told')
    expect(found).toHaveLength(1)
    server.answers = { 'vllm.test': { a: ['10.0.0.2'] } }
    await until(() => found.length === 2, 'the change')
    expect(plain(found[1]).map(set => set.__address__)).toEqual(['10.0.0.2:8000'])
    server.answers = {}
    await until(() => found.length === 3, 'the end of the name')
    expect(found[2]).toEqual([])
    await discovery.stop()
    expect(kit.log.at('error')).toHaveLength(1)
  })

  test('SRV records bring their port', async () => {
    server.answers = { '_metrics._tcp.test': { srv: [{ name: 'gpu-1.test', port: 9400 }] } }
    const found: (readonly Labels[])[] = []
    const discovery = new DnsDiscovery(options({ names: ['_metrics._tcp.test'], type: 'SRV' }), 'job', kit.context, failures(), resolver)
    discovery.start(sets => found.push(sets))
    await until(() => found.length === 1, 'the answer')
    await discovery.stop()
    expect(plain(found[0])).toEqual([
      {
        __address__: 'gpu-1.test:9400',
        __meta_dns_name: '_metrics._tcp.test',
        __meta_dns_srv_record_target: 'gpu-1.test.',
        __meta_dns_srv_record_port: '9400',
      },
    ])
  })
})
