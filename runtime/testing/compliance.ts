/** What every component keeps, whatever it does. Being in a registry is enough to be held to it. */
import { parse } from 'yaml'
import type { Signal } from '../../proto/batch.js'
import { SystemClock } from '../clock.js'
import type { Clock, Component, Consumer, Host, Kind, Kinds, Lifecycle } from '../component.js'
import { PartialError, RetryableError } from '../errors.js'
import { optionRows } from '../option-rows.js'
import { type Harness, harness } from './harness.js'
import { OTLP_SIGNALS, type OtlpSignal, strangeBatch, unknownFields } from './strange.js'

export interface Surroundings {
  /** What main.ts would put there, made anew for each instance. */
  host(clock: Clock): Host
  /** Processors that do not pass on in the same call what they are given, such as one behind which a stream begins. They have tests of their own. */
  readonly detached: readonly string[]
}

type Loaded<K extends Kind> = () => Promise<{ default: Component<K> }>
type Options = Record<string, unknown>

const GRACE_MS = 2_000
const isMap = (value: unknown): value is Options => typeof value === 'object' && value !== null && !Array.isArray(value)

/**
 * The options with every `endpoint` that is in use moved: those of listeners to a free port, those of exporters to one that refuses.
 * The first example is the one that has to start anywhere, with no file and no peer.
 */
const moved = (component: Component, example: string): Options => {
  const options: Options = parse(example) ?? {}
  for (const { path } of optionRows(component.config)) {
    const steps = path.split('.')
    if (steps.pop() !== 'endpoint' || path.includes('[]') || path.includes('<')) continue
    let parent: Options | undefined = options
    for (const step of steps) {
      if (!parent || !(step in parent)) parent = undefined
      else if (parent[step] === null) parent = parent[step] = {} as Options
      else parent = isMap(parent[step]) ? (parent[step] as Options) : undefined
    }
    if (!parent) continue
    if (component.kind !== 'exporter') parent.endpoint = '127.0.0.1:0'
    else if (typeof parent.endpoint === 'string')
      parent.endpoint = parent.endpoint.replace(/^(https?:\/\/)?.*$/, (_, scheme = '') => `${scheme}127.0.0.1:1`)
  }
  return options
}

const deadline = () => AbortSignal.timeout(GRACE_MS)

/** Handles that keep the process alive, by type. */
const handles = () => {
  const counts: Record<string, number> = {}
  for (const type of process.getActiveResourcesInfo()) counts[type] = (counts[type] ?? 0) + 1
  return counts
}

/** Types of which there are more than in `before`, once what was closed has had time to go. */
const leftOpen = async (before: Record<string, number>): Promise<string[]> => {
  for (let tries = 0; ; tries++) {
    const now = handles()
    const more = Object.keys(now).filter(type => now[type]! > (before[type] ?? 0))
    if (more.length === 0 || tries === 40) return more
    await new Promise(resolve => setTimeout(resolve, 25).unref())
    await new Promise(setImmediate)
  }
}

export const compliance = <K extends Kind>(kind: K, type: string, load: Loaded<K>, surroundings: Surroundings): void => {
  const examples = async () => Object.values((await load()).default.examples)
  /** A new instance with the n-th example's options, and what it was given. */
  const open = async (nth = 0): Promise<{ instance: Kinds[K]['instance']; kit: Harness<Clock> }> => {
    const { default: made } = await load()
    const clock: Clock = new SystemClock()
    const kit = harness(type, { clock, host: surroundings.host(clock) })
    const config = made.config.parse(moved(made as unknown as Component, Object.values(made.examples)[nth]!))
    return { instance: made.create(config, kit.upstream), kit }
  }
  const signalsOf = async (): Promise<OtlpSignal[]> => {
    const taken: readonly Signal[] = (await load()).default.signals
    return OTLP_SIGNALS.filter(signal => taken.includes(signal))
  }

  describe(`${kind} ${type}`, () => {
    describeDefinition(kind, type, load)
    describeLifecycle(open)
    if (kind === 'processor' && !surroundings.detached.includes(type))
      describeProcessor(open as (nth?: number) => Promise<{ instance: Consumer; kit: Harness<Clock> }>, signalsOf, examples)
    if (kind === 'exporter') describeExporter(open as () => Promise<{ instance: Consumer; kit: Harness<Clock> }>, signalsOf)
  })
}

const describeDefinition = <K extends Kind>(kind: K, type: string, load: Loaded<K>): void => {
  it('is what its line in the registry says', async () => {
    const { default: made } = await load()
    expect([made.kind, made.type]).toEqual([kind, type])
    expect(made.type).toMatch(/^[a-z][a-z0-9_]*$/)
    expect(made.summary).toMatch(/^[A-Z].*\.$/)
    expect(Object.keys(made.examples)).not.toEqual([])
  })

  it('describes every option', async () => {
    const { default: made } = await load()
    expect(
      optionRows(made.config)
        .filter(({ description }) => !description)
        .map(({ path }) => path),
    ).toEqual([])
  })

  it('reads its examples and refuses unknown options', async () => {
    const { default: made } = await load()
    for (const [title, example] of Object.entries(made.examples)) {
      const options = parse(example) ?? {}
      expect({ title, error: made.config.safeParse(options).error?.message }).toEqual({ title, error: undefined })
      const { error } = made.config.safeParse({ ...options, no_such_option: 1 })
      expect(error?.issues).toContainEqual(expect.objectContaining({ code: 'unrecognized_keys', keys: ['no_such_option'] }))
    }
  })
}

const describeLifecycle = (open: () => Promise<{ instance: Lifecycle }>): void => {
  it('starts, stops, and starts again, stops twice, and leaves nothing open', async () => {
    const before = handles()
    const { instance } = await open()
    for (let round = 0; round < 2; round++) {
      await instance.start?.()
      await instance.stop?.(deadline())
    }
    await instance.stop?.(deadline())
    expect(await leftOpen(before)).toEqual([])
  })

  it('stops without a start', async () => {
    const { instance } = await open()
    await instance.stop?.(deadline())
  })
}

const describeProcessor = (
  open: (nth?: number) => Promise<{ instance: Consumer; kit: Harness<Clock> }>,
  signalsOf: () => Promise<OtlpSignal[]>,
  examples: () => Promise<string[]>,
): void => {
  const forEach = async (check: (signal: OtlpSignal) => Promise<void>) => void (await Promise.all((await signalsOf()).map(check)))

  it('keeps unknown fields at every depth, with each of its examples', async () => {
    const rounds = (await examples()).map((_, nth) =>
      forEach(async signal => {
        const { instance, kit } = await open(nth)
        await instance.start?.()
        await instance.consume(strangeBatch(signal))
        await instance.stop?.(deadline())
        expect(unknownFields(kit.out.batches)).toEqual(unknownFields([strangeBatch(signal)]))
      }),
    )
    await Promise.all(rounds)
  })

  it('passes on a batch that it leaves as it is as the same object', async () => {
    await forEach(async signal => {
      const { instance, kit } = await open()
      await instance.start?.()
      const batch = strangeBatch(signal)
      const before = Buffer.concat([...batch.slices])
      await instance.consume(batch)
      await instance.stop?.(deadline())
      const [passed] = kit.out.batches
      if (passed && before.equals(Buffer.concat([...passed.slices]))) expect(passed).toBe(batch)
      expect(Buffer.concat([...batch.slices]).equals(before)).toBe(true)
    })
  })

  it('tells its caller what the next consumer refused, all or part', async () => {
    await forEach(async signal => {
      const { instance, kit } = await open()
      await instance.start?.()
      const refusal = new RetryableError('busy', 'queue_full', 1_500)
      kit.out.answer = () => refusal
      await expect(instance.consume(strangeBatch(signal))).rejects.toBe(refusal)
      kit.out.answer = () => new PartialError('one is too large', 'too_large', 1)
      await expect(instance.consume(strangeBatch(signal))).rejects.toMatchObject({ name: 'PartialError', items: 1 })
      await instance.stop?.(deadline())
    })
  })

  it('has settled what was in flight when its stop resolves', async () => {
    await forEach(async signal => {
      const { instance, kit } = await open()
      await instance.start?.()
      kit.out.answer = () => new Promise(resolve => setTimeout(resolve, 30, undefined))
      const outcome = instance.consume(strangeBatch(signal)).then(() => 'delivered')
      await instance.stop?.(deadline())
      expect(await outcome).toBe('delivered')
    })
  })
}

const describeExporter = (
  open: () => Promise<{ instance: Consumer; kit: Harness<Clock> }>,
  signalsOf: () => Promise<OtlpSignal[]>,
): void => {
  it('has settled what was in flight when its stop resolves, even with a dead backend', async () => {
    const { instance } = await open()
    await instance.start?.()
    let settled = 0
    const signals = await signalsOf()
    const batches = signals.map(signal =>
      instance.consume(strangeBatch(signal)).then(
        () => (settled += 1),
        () => (settled += 1),
      ),
    )
    await instance.stop?.(AbortSignal.timeout(500))
    await new Promise(setImmediate)
    expect(settled).toBe(signals.length)
    await Promise.all(batches)
  })

  it('refuses, to be sent again, what comes after its stop', async () => {
    const { instance } = await open()
    await instance.start?.()
    await instance.stop?.(deadline())
    const [signal] = await signalsOf()
    if (signal) await instance.consume(strangeBatch(signal)).catch(error => expect(error).toBeInstanceOf(RetryableError))
  })
}
