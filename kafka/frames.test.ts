import { Frames } from './frames.js'

const KIB = 1024

describe('frames', () => {
  test('memory comes back when the last who reads it lets go, and not before', () => {
    const frames = new Frames()
    const first = frames.take(300 * KIB)
    frames.hold(first.subarray(10, 20))
    frames.release(first)
    expect(frames.take(300 * KIB).buffer).not.toBe(first.buffer)
    frames.release(first.subarray(100))
    const again = frames.take(290 * KIB)
    expect([again.buffer, again.length]).toEqual([first.buffer, 290 * KIB])
  })

  test('small bytes and strangers are nobody’s to give back; a much larger frame is not wasted on little', () => {
    const frames = new Frames()
    const small = frames.take(100)
    frames.release(small)
    frames.release(Buffer.alloc(10))
    const large = frames.take(4096 * KIB)
    frames.release(large)
    expect(frames.take(200 * KIB).buffer).not.toBe(large.buffer)
    expect(frames.take(3000 * KIB).buffer).toBe(large.buffer)
  })

  test('no more than 32 MiB are kept', () => {
    const frames = new Frames()
    const taken = Array.from({ length: 6 }, () => frames.take(8192 * KIB))
    for (const frame of taken) frames.release(frame)
    const buffers = new Set(taken.map(({ buffer }) => buffer))
    const again = Array.from({ length: 6 }, () => frames.take(8192 * KIB).buffer)
    expect(again.filter(buffer => buffers.has(buffer)).length).toBe(4)
  })
})
