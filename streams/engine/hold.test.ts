import fc from 'fast-check'
import { BYTES_PER_CHUNK, Hold } from './hold.js'

interface Waiting {
  offset: number
  due: number
}

describe('hold', () => {
  test('behaves like a sorted list, whatever is pushed, popped and evicted', () => {
    const commands = fc.array(
      fc.oneof(
        { weight: 5, arbitrary: fc.record({ push: fc.integer({ min: 0, max: 50 }) }) },
        { weight: 3, arbitrary: fc.constant('pop' as const) },
        { weight: 1, arbitrary: fc.constant('evict' as const) },
        { weight: 1, arbitrary: fc.record({ dueBy: fc.integer({ min: 0, max: 50 }) }) },
      ),
      { maxLength: 400 },
    )
    fc.assert(
      fc.property(commands, list => {
        const hold = new Hold()
        let model: Waiting[] = []
        let offset = 0
        const first = () => [...model].sort((a, b) => a.due - b.due || a.offset - b.offset)
        for (const command of list) {
          if (typeof command === 'object' && 'push' in command) {
            offset += 10
            hold.push({ offset, end: offset + 7, items: 3, folded: offset * 2, kept: 0 }, command.push)
            model.push({ offset, due: command.push })
          } else if (typeof command === 'object') {
            const due = first().filter(each => each.due <= command.dueBy)
            expect(hold.dueBy(command.dueBy, 20).map(chunk => chunk.offset)).toEqual(due.slice(0, 3).map(each => each.offset))
          } else if (command === 'pop') {
            const [next] = first()
            expect(hold.nextDue()).toBe(next?.due ?? Infinity)
            if (!next) continue
            expect(hold.pop()).toEqual({ offset: next.offset, end: next.offset + 7, items: 3, folded: next.offset * 2, kept: 0 })
            model = model.filter(each => each !== next)
          } else if (model.length > 0) {
            expect(hold.evict().offset).toBe(model[0]!.offset)
            model.shift()
          }
          expect(hold.count).toBe(model.length)
          expect(hold.oldestOffset()).toBe(model[0]?.offset ?? Infinity)
        }
      }),
    )
  })

  test('a chunk takes at most 48 bytes', () => {
    expect(BYTES_PER_CHUNK).toBeLessThanOrEqual(48)
  })
})
