import { Batch } from '../proto/batch.js'
import { PartialError, PermanentError, RetryableError } from './errors.js'
import { fanOut } from './fan-out.js'
import { Recorder } from './testing/recorder.js'

const batch = () => Batch.of('traces', [new Uint8Array([10, 0])], 1)

const to = (...recorders: Recorder[]) => fanOut(given => recorders.map(recorder => () => recorder.consume(given)))

describe('fan-out', () => {
  it('hands every branch the same batch object and resolves only when the slowest has', async () => {
    const [fast, slow] = [new Recorder(), new Recorder()]
    let release: () => void = () => {}
    slow.answer = () => new Promise(resolve => (release = () => resolve(undefined)))
    const sent = batch()
    let settled = false
    const done = to(fast, slow)(sent).then(() => (settled = true))
    await new Promise(setImmediate)
    expect([fast.batches[0] === sent, slow.batches[0] === sent, settled]).toEqual([true, true, false])
    release()
    await done
    expect(settled).toBe(true)
  })

  it('repeats only the branch that asked for it when the caller sends the batch again', async () => {
    const [well, ill] = [new Recorder(), new Recorder()]
    const send = to(well, ill)
    const sent = batch()
    ill.answer = () => new RetryableError('busy', 'queue_full', 500)
    await expect(send(sent)).rejects.toMatchObject({ reason: 'queue_full', after: 500 })
    await expect(send(sent)).rejects.toMatchObject({ reason: 'queue_full' })
    ill.answer = () => undefined
    await send(sent)
    expect([well.batches.length, ill.batches.length]).toEqual([1, 3])
  })

  it('asks every branch again after the batch was settled, and for another batch of equal content', async () => {
    const [well, ill] = [new Recorder(), new Recorder()]
    const send = to(well, ill)
    ill.answer = () => new RetryableError('busy', 'queue_full')
    const [first, second] = [batch(), batch()]
    await expect(send(first)).rejects.toThrow('busy')
    ill.answer = () => undefined
    await send(second)
    await send(first)
    await send(first)
    expect(well.batches).toEqual([first, second, first])
    expect(ill.batches).toEqual([first, second, first, first])
  })

  it('lets the retryable refusal win, never repeats the one that refused for good, and reports that one at the end', async () => {
    const [never, later] = [new Recorder(), new Recorder()]
    const send = to(never, later)
    const sent = batch()
    never.answer = () => new PermanentError('unreadable', 'bad_data')
    later.answer = () => new RetryableError('busy', 'queue_full')
    await expect(send(sent)).rejects.toBeInstanceOf(RetryableError)
    later.answer = () => undefined
    await expect(send(sent)).rejects.toMatchObject({ name: 'PermanentError', reason: 'bad_data' })
    expect([never.batches.length, later.batches.length]).toEqual([1, 2])
  })

  it('reports the gravest refusal for good: of all before one of part, and of parts the largest, also when a branch is repeated', async () => {
    const [one, other, last] = [new Recorder(), new Recorder(), new Recorder()]
    const send = to(one, other, last)
    const part = (items: number) => () => new PartialError('large', 'too_large', items)
    one.answer = part(1)
    other.answer = part(2)
    await expect(send(batch())).rejects.toMatchObject({ name: 'PartialError', items: 2 })
    one.answer = part(3)
    const sent = batch()
    last.answer = () => new RetryableError('busy', 'queue_full')
    await expect(send(sent)).rejects.toBeInstanceOf(RetryableError)
    last.answer = () => undefined
    await expect(send(sent)).rejects.toMatchObject({ name: 'PartialError', items: 3 })
    last.answer = () => new PermanentError('unreadable', 'bad_data')
    await expect(send(batch())).rejects.toMatchObject({ name: 'PermanentError' })
    expect(one.batches).toHaveLength(3)
  })

  it('treats a branch that throws at once like one that rejects, and still serves the others', async () => {
    const well = new Recorder()
    const send = fanOut(given => [
      () => {
        throw new RetryableError('thrown', 'internal')
      },
      () => well.consume(given),
    ])
    await expect(send(batch())).rejects.toThrow('thrown')
    expect(well.batches).toHaveLength(1)
  })
})
