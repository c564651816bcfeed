import fc from 'fast-check'
import { Batch } from '../../proto/batch.js'
import { inspect } from '../../proto/inspect.js'
import { GOLDEN } from '../../proto/testing/golden.js'
import { BYTES, Fields, Writer } from '../../proto/wire.js'
import { cut } from './cut.js'

const bytesOf = (batch: Batch): Uint8Array => Buffer.concat(batch.slices)

/** [resource, scope, metric, kind of data, point] of every point, in order. */
const pointsIn = (request: Uint8Array): string[] => {
  const found: string[] = []
  const walk = (bytes: Uint8Array, level: number, above: string): void => {
    const names = [[1], [2], [2], [5, 7, 9, 10, 11], [1]]
    const here: string[] = [above]
    for (const field = new Fields(bytes); field.next(); )
      if (!names[level]?.includes(field.number))
        here.push(`${field.number}=${Buffer.from(bytes.subarray(field.start, field.end)).toString('latin1')}`)
    for (const field = new Fields(bytes); field.next(); ) {
      if (!names[level]?.includes(field.number) || field.type !== BYTES) continue
      if (level === 4) found.push(`${here.join('|')}|${field.string()}`)
      else walk(field.view(), level + 1, `${here.join('|')}/${field.number}`)
    }
  }
  walk(request, 0, '')
  return found
}

/** group → scope → metric → points; every level also has a field of its own and an unknown one. */
const shape = fc.array(fc.array(fc.array(fc.integer({ min: 0, max: 6 }), { maxLength: 4 }), { maxLength: 3 }), { maxLength: 3 })

const metrics = (groups: number[][][]): Batch => {
  let point = 0
  const request = new Writer()
  groups.forEach((scopes, g) => {
    request.message(1, group => {
      group.message(1, resource => resource.string(1, `r${g}`))
      scopes.forEach((list, s) => {
        group.message(2, scope => {
          scope.message(1, name => name.string(1, `s${s}`))
          list.forEach((points, m) => {
            scope.message(2, metric => {
              metric.string(1, `m${m}`)
              metric.message([5, 7, 9, 10, 11][m % 5]!, data => {
                for (let i = 0; i < points; i++) data.string(1, `p${point++}`)
                data.uint(2, 1)
              })
            })
          })
          scope.string(99, 'unknown')
        })
      })
      group.string(3, 'schema')
    })
  })
  return Batch.of('metrics', [request.finish()], point, { epoch: '3' })
}

test('metrics are cut between points: same points, same order, same surroundings, no part above the limit', () => {
  fc.assert(
    fc.property(shape, fc.integer({ min: 1, max: 10 }), (groups, max) => {
      const batch = metrics(groups)
      const parts = cut(batch, max, 'items')
      expect(parts.every(part => part.items <= max)).toBe(true)
      expect(parts.reduce((sum, part) => sum + part.items, 0)).toBe(batch.items)
      expect(parts.flatMap(part => pointsIn(bytesOf(part)))).toEqual(pointsIn(bytesOf(batch)))
      for (const part of parts) {
        expect(part.metadata).toEqual({ epoch: '3' })
        expect(pointsIn(bytesOf(part))).toHaveLength(part.items)
      }
    }),
  )
})

test('cut by bytes, no part is larger than the limit unless it is one item', () => {
  fc.assert(
    fc.property(shape, fc.integer({ min: 60, max: 400 }), (groups, max) => {
      const batch = metrics(groups)
      const parts = cut(batch, max, 'bytes')
      for (const part of parts) if (part.items > 1) expect(part.bytes).toBeLessThanOrEqual(max)
      expect(parts.flatMap(part => pointsIn(bytesOf(part)))).toEqual(pointsIn(bytesOf(batch)))
    }),
  )
})

test('what fits comes back as the same batch, and what is no request comes back uncut', () => {
  const batch = metrics([[[3]]])
  expect(cut(batch, 3, 'items')).toEqual([batch])
  const broken = Batch.of('traces', [Uint8Array.of(0x0a, 0x7f, 1)], 9)
  expect(cut(broken, 3, 'items')).toEqual([broken])
})

test('a batch with an edited resource is cut like any other', () => {
  const [group] = Batch.of('metrics', [GOLDEN.metrics], 4).groups
  const edited = Batch.ofGroups('metrics', [group!.withResource(Uint8Array.of(0x10, 1))], 4)
  const parts = cut(edited, 1, 'items')
  expect(parts.map(part => inspect('metrics', Buffer.concat(part.slices as Uint8Array[])))).toEqual([1, 1, 1, 1])
})
