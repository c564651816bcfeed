import { writeAttribute } from '../../proto/attribute.js'
import { NUMBER_POINT } from '../../proto/fields.js'
import { NumberPointView } from '../../proto/views/points.js'
import { Writer } from '../../proto/wire.js'
import { Echo } from './echo.js'

const fields = (pairs: Record<string, string>): Uint8Array => {
  const writer = new Writer()
  for (const [key, value] of Object.entries(pairs)) writeAttribute(writer, NUMBER_POINT.attributes, key, value)
  return writer.finish()
}

/** Decides about points laid one behind the other, each first of a metric of its own; 'asked' where the echo did not know. */
const hear = (points: readonly Uint8Array[], subject: 'device' | 'other' = 'other') => {
  const bytes = Buffer.concat(points)
  const echo = new Echo<string>()
  echo.begin()
  let start = 0
  return points.map((point, i) => {
    echo.nextMetric()
    const view = new NumberPointView().read(bytes, start, start + point.length)
    start += point.length
    const known = echo.look(view, subject)
    if (known === undefined) echo.remember(`as point ${i}`)
    return known ?? 'asked'
  })
}

describe('an echo of what was decided about the metric before', () => {
  test('knows a point that says the same, and asks about one that says something else, or nothing', () => {
    const [a, b] = [fields({ UUID: 'GPU-1', pod: 'x' }), fields({ UUID: 'GPU-2', pod: 'x' })]
    expect(hear([a, a, b, b, a, new Uint8Array(0), new Uint8Array(0)])).toEqual([
      'asked',
      'as point 0',
      'asked',
      'as point 2',
      'asked',
      'asked',
      'as point 5',
    ])
  })

  test('is not misled by one attribute whose body holds the very bytes of two', () => {
    const two = fields({ UUID: 'GPU-1', pod: 'x' })
    // The first attribute's length now spans the second, header and all, which makes that an unknown field of the first.
    const one = Uint8Array.from(two)
    one[1] = two.length - 2
    expect(new NumberPointView().read(one).attributes.length).toBe(1)
    expect(hear([two, one, one])).toEqual(['asked', 'asked', 'as point 1'])
  })

  test('forgets everything when another group begins', () => {
    const point = fields({ pod: 'x' })
    const view = new NumberPointView().read(point)
    const echo = new Echo<string>()
    echo.begin()
    echo.nextMetric()
    echo.look(view, 'other')
    echo.remember('first')
    echo.begin()
    echo.nextMetric()
    expect(echo.look(view, 'other')).toBeUndefined()
  })
})
