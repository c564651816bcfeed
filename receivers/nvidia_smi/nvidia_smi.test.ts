import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { RetryableError } from '../../runtime/errors.js'
import { only, until } from '../../runtime/testing/measured.js'
import { A100, a100, H100, h100, log, processes, RTX, rtx, T4, t4 } from './testing/documents.js'
import { Scene } from './testing/scene.js'

const MIB = 2 ** 20
const POD = '6d3f8b1e-4c7a-4f0e-9b65-2f1f0f5a7c11'
const CONTAINER = 'c'.repeat(64)
const inPod = (uid = POD, container = CONTAINER): string =>
  `0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod${uid.replaceAll('-', '_')}.slice/cri-containerd-${container}.scope\n`

let scene: Scene
beforeEach(() => {
  scene = new Scene()
})
afterEach(() => scene.close())

describe('what cards of several generations say', () => {
  test('an H100: every field in the units of the conventions, of two power readings the average', async () => {
    scene.prints(log('580.65.06', 'v12', h100()))
    await scene.start()
    const points = await scene.points()
    const value = (name: string, where = {}) => only(points, name, { 'hw.id': H100, ...where })?.value
    expect(value('hw.gpu.utilization', { 'hw.gpu.task': 'general' })).toBe(0.63)
    expect(value('hw.gpu.utilization', { 'hw.gpu.task': 'encoder' })).toBe(0)
    expect(value('ai_factory.gpu.memory_controller.utilization')).toBe(0.17)
    expect(value('hw.gpu.memory.usage')).toBe(65720 * MIB)
    expect(value('hw.gpu.memory.limit')).toBe(81559 * MIB)
    expect(value('ai_factory.gpu.memory.reserved')).toBe(551 * MIB)
    expect(value('hw.power')).toBe(612.4)
    expect(value('ai_factory.gpu.power.limit')).toBe(700)
    expect(value('hw.temperature', { 'hw.sensor_location': 'gpu' })).toBe(58)
    expect(value('hw.temperature', { 'hw.sensor_location': 'memory' })).toBe(66)
    expect(value('ai_factory.gpu.temperature.margin')).toBe(29)
    expect(value('ai_factory.gpu.clock.frequency', { 'ai_factory.gpu.clock.domain': 'sm' })).toBe(1.755e9)
    expect(value('ai_factory.gpu.clock.frequency', { 'ai_factory.gpu.clock.domain': 'memory' })).toBe(2.619e9)
    expect(value('hw.errors', { 'error.type': 'corrected' })).toBe(5)
    expect(value('hw.errors', { 'error.type': 'uncorrected' })).toBe(3)
    expect(value('ai_factory.gpu.remapped_rows', { 'ai_factory.gpu.memory.repair.cause': 'uncorrected' })).toBe(2)
    expect(value('ai_factory.gpu.row_remap.pending')).toBe(1)
    expect(value('ai_factory.gpu.row_remap.failed')).toBe(0)
    expect(value('ai_factory.gpu.pcie.throughput', { 'network.io.direction': 'transmit' })).toBe(528_000)
    expect(value('ai_factory.gpu.pcie.link.generation')).toBe(5)
    expect(value('ai_factory.gpu.pcie.link.width')).toBe(16)
    expect(value('ai_factory.gpu.performance_state')).toBe(2)
    const reason = (name: string) => ({ 'ai_factory.gpu.throttle.reason': name })
    expect(value('ai_factory.gpu.throttle.active', reason('sw_power_cap'))).toBe(1)
    expect(value('ai_factory.gpu.throttle.active', reason('hw_power_brake'))).toBe(0)
    expect(value('ai_factory.gpu.throttle.active', reason('new_in_some_driver'))).toBe(1)
    expect(value('ai_factory.gpu.throttle.time', reason('sw_power_cap'))).toBe(25483.012608)
    expect(value('ai_factory.gpu.throttle.time', reason('hw_power_brake'))).toBe(1.5)
    expect(only(points, 'hw.status', { 'hw.state': 'ok' })).toMatchObject({
      value: 1,
      attributes: { 'hw.driver_version': '580.65.06', 'hw.serial_number': '1654923001122', 'hw.model': 'NVIDIA H100 80GB HBM3' },
    })
    expect(value('hw.fan.speed_ratio')).toBeUndefined()
    expect(only(points, 'hw.power')).toMatchObject({
      unit: 'W',
      kind: 'gauge',
      time: scene.clock.now(),
      attributes: { 'hw.id': H100, 'hw.name': 'NVIDIA H100 80GB HBM3', 'hw.type': 'gpu' },
      resource: { 'host.name': 'node-7' },
    })
    expect(scene.faults('unreadable_value')).toBe(0)
  })

  test('an A100 in MIG mode: its memory is told once, on the GPU instances, and adds up; watts stay the whole card’s', async () => {
    scene.prints(log('535.54.03', 'v12', a100()))
    await scene.start()
    const points = await scene.points()
    const usage = points.filter(({ name }) => name === 'hw.gpu.memory.usage')
    expect(usage.map(({ attributes, value }) => [attributes['hw.id'], attributes['hw.parent'], value])).toEqual([
      [`${A100}/3`, A100, 12 * MIB],
      [`${A100}/4`, A100, 4096 * MIB],
    ])
    expect(points.filter(({ name }) => name === 'ai_factory.gpu.mig.multiprocessors').map(({ value }) => value)).toEqual([14, 14, 28])
    expect(points.filter(({ name }) => name === 'hw.power').map(({ value, attributes }) => [attributes['hw.id'], value])).toEqual([
      [A100, 67.03],
    ])
    expect(only(points, 'hw.gpu.utilization')).toBeUndefined()
    expect(only(points, 'hw.errors', { 'hw.id': A100, 'error.type': 'corrected' })?.value).toBe(5)
    expect(only(points, 'hw.errors', { 'hw.id': `${A100}/3` })?.value).toBe(2)
    expect(only(points, 'ai_factory.gpu.ecc.lifetime.errors', { 'error.type': 'corrected' })?.value).toBe(50)
    expect(only(points, 'hw.temperature.limit', { 'hw.limit_type': 'high.degraded' })?.value).toBe(89)
    expect(only(points, 'hw.status', { 'hw.state': 'degraded' })?.value).toBe(1)
  })

  test('a T4 under an old driver: old names are read, and what is not known is absent, never 0', async () => {
    scene.prints(log('450.51.05', 'v10', t4()))
    await scene.start()
    const points = await scene.points()
    expect(only(points, 'hw.power')?.value).toBe(26.78)
    expect(only(points, 'ai_factory.gpu.power.limit')?.value).toBe(65)
    expect(only(points, 'hw.errors', { 'error.type': 'corrected' })?.value).toBe(7)
    expect(only(points, 'hw.errors', { 'error.type': 'uncorrected' })?.value).toBe(0)
    expect(only(points, 'ai_factory.gpu.retired_pages', { 'ai_factory.gpu.memory.repair.cause': 'corrected' })?.value).toBe(1)
    expect(only(points, 'ai_factory.gpu.throttle.active')).toMatchObject({
      value: 1,
      attributes: { 'ai_factory.gpu.throttle.reason': 'sw_thermal' },
    })
    for (const absent of [
      'hw.gpu.utilization',
      'ai_factory.gpu.memory_controller.utilization',
      'hw.fan.speed_ratio',
      'hw.status',
      'ai_factory.gpu.remapped_rows',
    ])
      expect(points.filter(({ name }) => name === absent)).toEqual([])
    expect(only(points, 'hw.temperature')?.attributes['hw.sensor_location']).toBe('gpu')
    expect(points.every(({ attributes }) => attributes['hw.id'] === T4)).toBe(true)
    expect(scene.faults('unreadable_value')).toBe(0)
  })

  test('a consumer card: what cannot be read is counted, the rest is sent', async () => {
    scene.prints(log('470.57.02', 'v11', rtx()))
    await scene.start()
    const points = await scene.points()
    expect(only(points, 'hw.fan.speed_ratio')?.value).toBe(0.41)
    expect(only(points, 'hw.gpu.utilization')?.value).toBe(0.07)
    expect(only(points, 'hw.power')).toBeUndefined()
    expect(only(points, 'hw.energy')).toBeUndefined()
    expect(only(points, 'ai_factory.gpu.process.memory.usage')).toMatchObject({
      value: 95 * MIB,
      attributes: { 'hw.id': RTX, 'process.pid': 2001, 'process.executable.name': 'Xorg', 'ai_factory.gpu.process.type': 'G' },
    })
    expect(scene.faults('unreadable_value')).toBe(1)
    expect(scene.kit.log.at('warn')).toEqual([expect.stringContaining('power_draw says "twelve watts", expected a number as watts')])
  })

  test('names of processes that are no XML do not cost the whole document, and arguments are not sent on', async () => {
    const running = processes(
      { pid: 7, name: '/opt/a & b <x>/vllm --token=hush', memory: '[N/A]' },
      { pid: 8, name: 'tom\u0001&amp;co --key=hush' },
    )
    scene.prints(log('550.1', 'v12', h100({ running })))
    await scene.start()
    const points = await scene.points()
    expect(
      points
        .filter(({ name }) => name === 'ai_factory.gpu.process.memory.usage')
        .map(({ attributes }) => attributes['process.executable.name']),
    ).toEqual(['tom?&co'])
    expect(JSON.stringify(points)).not.toContain('hush')
  })
})

describe('whose a GPU is', () => {
  test('of one pod alone: its points and energy carry the pod, by the cgroups of the processes', async () => {
    const running = processes({ pid: 101 }, { pid: 102 }, { pid: 9, name: 'nvidia-cuda-mps-server' }, { pid: 10, type: 'G' })
    scene.prints(log('570.1', 'v12', h100({ running })))
    scene.file('proc/101/cgroup', inPod())
    scene.file('proc/102/cgroup', inPod(POD, 'd'.repeat(64)))
    await scene.start()
    const points = await scene.points()
    for (const name of ['hw.power', 'hw.energy', 'hw.gpu.memory.usage']) {
      expect(only(points, name)?.attributes['k8s.pod.uid']).toBe(POD)
      expect(only(points, name)?.attributes['container.id']).toBeUndefined()
    }
    expect(only(points, 'ai_factory.gpu.process.memory.usage', { 'process.pid': 101 })?.attributes).toMatchObject({
      'k8s.pod.uid': POD,
      'container.id': CONTAINER,
    })
  })

  test('of a Slurm job: the job id under the name that workload_id reads', async () => {
    scene.prints(log('570.1', 'v12', h100({ running: processes({ pid: 101 }) })))
    scene.file('proc/101/cgroup', '0::/system.slice/slurmstepd.scope/job_4711/step_0/user/task_3\n')
    await scene.start()
    expect(only(await scene.points(), 'hw.power')?.attributes).toMatchObject({ 'slurm.job.id': '4711', 'slurm.step.id': '0' })
  })

  test('shared, or with a process of nobody known: nobody’s, rather than a guess', async () => {
    scene.file('proc/101/cgroup', inPod())
    scene.file('proc/102/cgroup', inPod(POD.replace('6', '7')))
    scene.file('proc/103/cgroup', inPod())
    scene.prints(
      log(
        '570.1',
        'v12',
        h100({ running: processes({ pid: 101 }, { pid: 102 }) }),
        rtx(processes({ pid: 103 }, { pid: 104, memory: '1 MiB' })),
      ),
    )
    await scene.start()
    const points = await scene.points()
    for (const id of [H100, RTX]) expect(only(points, 'hw.gpu.memory.usage', { 'hw.id': id })?.attributes['k8s.pod.uid']).toBeUndefined()
    expect(only(points, 'ai_factory.gpu.process.memory.usage', { 'process.pid': 103 })?.attributes['k8s.pod.uid']).toBe(POD)
  })

  test('of MIG devices: each of its own', async () => {
    scene.prints(log('535.1', 'v12', a100(processes({ pid: 101, gi: '4', ci: '0' }, { pid: 102, gi: '3', ci: '1' }))))
    scene.file('proc/101/cgroup', inPod())
    scene.file('proc/102/cgroup', `0::/docker/${'e'.repeat(64)}`)
    await scene.start()
    const points = await scene.points()
    expect(only(points, 'hw.gpu.memory.usage', { 'hw.id': `${A100}/4` })?.attributes['k8s.pod.uid']).toBe(POD)
    expect(only(points, 'hw.gpu.memory.usage', { 'hw.id': `${A100}/3` })?.attributes['container.id']).toBe('e'.repeat(64))
    expect(only(points, 'hw.power')?.attributes['k8s.pod.uid']).toBeUndefined()
    expect(only(points, 'ai_factory.gpu.process.memory.usage', { 'process.pid': 101 })?.attributes['hw.id']).toBe(`${A100}/4`)
  })
})

describe('energy', () => {
  test('is the power summed up, from a start that is said, and begins anew with each owner without losing a joule', async () => {
    const at = async (nth: number, watts: number, pid?: number) => {
      scene.prints(log('570.1', 'v12', h100({ watts: `${watts}.00 W`, running: pid ? processes({ pid }) : processes() })))
      await (nth === 0 ? scene.start() : scene.clock.advance(10_000))
      return only(await scene.points(nth), 'hw.energy')!
    }
    scene.file('proc/101/cgroup', inPod())
    const first = await at(0, 100)
    const start = scene.clock.now()
    expect(first).toMatchObject({ value: 0, kind: 'counter', unit: 'J', start, attributes: { 'ai_factory.derived_from': 'hw.power' } })
    expect(await at(1, 300)).toMatchObject({ value: 2000, start })
    // The pod came in the third interval: 4000 J in it, none of those before.
    expect(await at(2, 500, 101)).toMatchObject({ value: 4000, start: start + 10_000, attributes: { 'k8s.pod.uid': POD } })
    expect(await at(3, 500, 101)).toMatchObject({ value: 9000, start: start + 10_000 })
    // A gap of more than three intervals: nothing is known of it.
    scene.does('exit 9')
    for (let i = 0; i < 3; i++) {
      await scene.clock.advance(10_000)
      await until(() => scene.failures('exit_status') === i + 1, 'the failure')
    }
    expect(await at(4, 500, 101)).toMatchObject({ value: 0, start: scene.clock.now() })
  })
})

describe('a tool that fails', () => {
  const whole = () => log('570.1', 'v12', h100())
  /** It works again at the next interval, whatever it did; what was killed needs a moment of real time to end. */
  const recovers = async (): Promise<void> => {
    scene.prints(whole())
    for (let tries = 0; tries < 50 && scene.kit.out.batches.length === 0; tries++) {
      await scene.clock.advance(10_000)
      await new Promise(resolve => setTimeout(resolve, 50))
    }
    expect(only(await scene.points(), 'hw.power')?.value).toBe(612.4)
  }

  test.each([
    ['garbage', () => scene.prints('\u0000\u0007 what <is> & this'), 'unreadable', 'no whole XML document'],
    ['nothing', () => scene.prints(''), 'unreadable', 'no whole XML document'],
    ['half a document', () => scene.prints(whole().slice(0, whole().length / 2)), 'unreadable', 'no whole XML document'],
    ['another document', () => scene.prints('<html><body>nvidia</body></html>'), 'unreadable', 'its root is <html>'],
    [
      'exit 9',
      () => scene.prints('NVIDIA-SMI has failed because it couldn’t communicate with the NVIDIA driver.\nMore.', 9),
      'exit_status',
      'ended with status 9: NVIDIA-SMI has failed because it couldn’t communicate with the NVIDIA driver.',
    ],
    ['a signal', () => scene.does('kill -11 $$'), 'killed', 'was ended by SIGSEGV'],
    ['too much', () => scene.does('yes nvidia'), 'too_large', 'more than max_output, 100000 bytes'],
  ])('that prints or does %s is counted with its reason, and asked again at the next interval', async (_, breaks, reason, said) => {
    breaks()
    await scene.start({ max_output: 100_000 })
    await until(() => scene.failures(reason) === 1, `the failure ${reason}`)
    expect(scene.kit.log.at('warn')).toEqual([expect.stringContaining(said)])
    expect(scene.kit.out.batches).toEqual([])
    await recovers()
  })

  test('that is not there is said once, with what to do', async () => {
    await scene.start({ command: '/nowhere/nvidia-smi' })
    await until(() => scene.failures('not_found') === 1, 'the failure')
    await scene.clock.advance(10_000)
    await until(() => scene.failures('not_found') === 2, 'the second failure')
    expect(scene.kit.log.at('warn')).toEqual([expect.stringContaining('there is no /nowhere/nvidia-smi: install the NVIDIA driver')])
  })

  test('that hangs is killed at its deadline, with what it has started; meanwhile no other is run', async () => {
    scene.does(`sleep 300 &\necho $! > "${scene.folder}/child"\nsleep 300`)
    await scene.start({ timeout: '15s' })
    await until(() => existsSync(join(scene.folder, 'child')), 'the tool to start')
    await scene.clock.advance(10_000)
    expect(scene.kit.meter.sum('ai_factory_gateway_collections_skipped_total')).toBe(1)
    await scene.clock.advance(5_000)
    await until(() => scene.failures('timeout') === 1, 'the failure')
    const child = Number(readFileSync(join(scene.folder, 'child'), 'utf8'))
    await until(() => !alive(child), 'the child to end')
    expect(readFileSync(join(scene.folder, 'runs'), 'utf8')).toBe('-q -x\n')
    await recovers()
  })

  test('that fails for one card still tells of the other', async () => {
    scene.prints(whole(), 15)
    await scene.start()
    expect(only(await scene.points(), 'hw.power')?.value).toBe(612.4)
    expect(scene.faults('exit_status')).toBe(1)
  })

  test('that still runs when the gateway stops ends with it', async () => {
    scene.does(`echo $$ > "${scene.folder}/child"\nsleep 300`)
    await scene.start()
    await until(() => existsSync(join(scene.folder, 'child')), 'the tool to start')
    const child = Number(readFileSync(join(scene.folder, 'child'), 'utf8'))
    await scene.stop()
    await until(() => !alive(child), 'the tool to end')
    expect(scene.failures('stopped') + scene.failures('internal')).toBe(0)
  })
})

test('while the pipeline has not answered, collections are skipped and counted, and none is queued', async () => {
  scene.prints(log('570.1', 'v12', h100()))
  let answer = (): void => {}
  scene.kit.out.answer = () => new Promise(resolve => (answer = () => resolve(undefined)))
  await scene.start()
  await scene.points()
  await scene.clock.advance(30_000)
  expect(scene.kit.meter.sum('ai_factory_gateway_collections_skipped_total')).toBe(3)
  expect(scene.kit.out.batches).toHaveLength(1)
  answer()
  await scene.clock.advance(10_000)
  await scene.points(1)
  answer()
})

test('a refused batch is offered once more within the interval, then counted as lost with the reason', async () => {
  scene.prints(log('570.1', 'v12', h100()))
  scene.kit.out.answer = () => new RetryableError('full', 'queue_full', 2000)
  await scene.start()
  await scene.points()
  await scene.clock.advance(2000)
  await scene.points(1)
  const lost = () => scene.kit.meter.sum('ai_factory_gateway_collection_points_refused_total', { reason: 'queue_full' })
  await until(() => lost() > 0, 'the loss to be counted')
  expect(lost()).toBe(scene.kit.out.batches[0]!.items)
})

const alive = (pid: number): boolean => {
  try {
    // A zombie that nobody waits for is dead all the same.
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}

const real = ((): boolean => {
  try {
    execFileSync('nvidia-smi', ['-L'], { stdio: 'ignore', timeout: 10_000 })
    return true
  } catch {
    return false
  }
})()
if (!real) console.warn('nvidia_smi: no nvidia-smi on this machine, the comparison with a real one is skipped')
;(real ? test : test.skip)('the real tool: memory and power as its CSV says them', async () => {
  await scene.start({ command: 'nvidia-smi', root_path: '/' })
  const points = await scene.points()
  const csv = execFileSync('nvidia-smi', ['--query-gpu=uuid,memory.total,power.limit', '--format=csv,noheader,nounits']).toString()
  for (const [uuid = '', total] of csv
    .trim()
    .split('\n')
    .map(line => line.split(', '))) {
    const slices = points.filter(({ name, attributes }) => name === 'hw.gpu.memory.limit' && attributes['hw.parent'] === uuid)
    if (slices.length === 0) expect(only(points, 'hw.gpu.memory.limit', { 'hw.id': uuid })?.value).toBe(Number(total) * MIB)
  }
})
