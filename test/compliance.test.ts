/** Every component of every registry is held to what the contract says (runtime/testing/compliance.ts). */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadAll, registries, SECTIONS } from '../cli/registries.js'
import { Admission, MemoryAdmission } from '../runtime/admission.js'
import type { Clock } from '../runtime/component.js'
import { TokenMap } from '../runtime/host.js'
import { compliance } from '../runtime/testing/compliance.js'
import { TestLog } from '../runtime/testing/log.js'
import { TestMeter } from '../runtime/testing/meter.js'
import { openStreams, STREAMS, streamsSection } from '../streams/index.js'

const surroundings = {
  host: (clock: Clock) =>
    new TokenMap()
      .put(Admission, new MemoryAdmission(clock))
      .put(STREAMS, openStreams(streamsSection.parse({ workloads: {} }), { clock, log: new TestLog(), meter: new TestMeter() })),
  detached: ['workload_join'],
}

// Examples may name relative paths.
const root = process.cwd()
const scratch = mkdtempSync(join(tmpdir(), 'compliance-'))
beforeAll(() => process.chdir(scratch))
afterAll(() => {
  process.chdir(root)
  rmSync(scratch, { recursive: true })
})

for (const [type, load] of Object.entries(registries.receivers)) compliance('receiver', type, load, surroundings)
for (const [type, load] of Object.entries(registries.processors)) compliance('processor', type, load, surroundings)
for (const [type, load] of Object.entries(registries.exporters)) compliance('exporter', type, load, surroundings)
for (const [type, load] of Object.entries(registries.extensions)) compliance('extension', type, load, surroundings)

it('no component hides another behind its name or an older spelling', async () => {
  for (const section of SECTIONS) {
    const names = (await loadAll(registries[section])).flatMap(({ type, aliases = [] }) => [type, ...aliases])
    expect(names).toEqual([...new Set(names)])
  }
})
