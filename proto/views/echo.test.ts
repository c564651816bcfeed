import fc from 'fast-check'
import { writeAttribute } from '../attribute.js'
import { METRIC_DATA, NUMBER_POINT } from '../fields.js'
import { Fields, WireError, Writer } from '../wire.js'
import { Echo } from './echo.js'

const fields = (pairs: Record<string, string>): Uint8Array => {
  const writer = new Writer()
  for (const [key, value] of Object.entries(pairs)) writeAttribute(writer, NUMBER_POINT.attributes, key, value)
  return writer.finish()
}
const time = () => new Writer().count(NUMBER_POINT.time, 1).finish()

interface Said {
  readonly attributes: string
}
/** Metrics of points, one group. */
const group = (metrics: readonly (readonly Uint8Array[])[]): Buffer => {
  const writer = new Writer()
  for (const points of metrics) {
    writer.begin(1)
    for (const point of points) writer.begin(METRIC_DATA.dataPoints).raw(point).end()
    writer.end()
  }
  return Buffer.from(writer.finish())
}
/** What each point is said to carry, and how many were asked about anew. */
const hear = (bytes: Uint8Array, echo: Echo<Said>, asks: (n: number) => boolean = () => true) => {
  const said: (string | undefined)[] = []
  let asked = 0
  const [metrics, points, point] = [new Fields(bytes), new Fields(), new Fields()]
  echo.beginGroup()
  while (metrics.next()) {
    echo.beginMetric()
    points.enter(metrics)
    while (points.next()) {
      echo.beginPoint()
      point.enter(points)
      while (point.next()) if (point.number === NUMBER_POINT.attributes) echo.attribute(point)
      const { heard } = echo
      if (!heard) asked++
      said.push(asks(said.length) ? (heard ?? echo.keep({ attributes: plainly(points) })).attributes : plainly(points))
    }
  }
  return { said, asked }
}
/** The same without an echo. */
const plainly = (points: Fields): string => {
  const point = new Fields().enter(points)
  let attributes = ''
  while (point.next())
    if (point.number === NUMBER_POINT.attributes)
      attributes += ` ${Buffer.from(point.bytes.subarray(point.expect(2).start, point.end)).toString('hex')}`
  return attributes
}
const hearPlainly = (bytes: Uint8Array): string[] => {
  const said: string[] = []
  const [metrics, points] = [new Fields(bytes), new Fields()]
  while (metrics.next()) for (points.enter(metrics); points.next(); ) said.push(plainly(points))
  return said
}
const orError = <T>(run: () => T): T | 'malformed' => {
  try {
    return run()
  } catch (error) {
    expect(error).toBeInstanceOf(WireError)
    return 'malformed'
  }
}

describe('an echo of what was made of the attributes in the metric before', () => {
  const [a, b] = [fields({ UUID: 'GPU-1', pod: 'x' }), fields({ UUID: 'GPU-2', pod: 'x' })]
  const none = new Uint8Array(0)

  test('knows a point that says the same at the same place, and asks about one that says something else, or nothing', () => {
    const asked = (...metrics: Uint8Array[][]) => hear(group(metrics), new Echo()).asked
    expect(asked([a, b], [a, b], [a, b])).toBe(2)
    expect(asked([a, b], [b, a], [b, a])).toBe(4)
    expect(asked([a], [none], [none], [a])).toBe(3)
    expect(asked([a, b], [a], [a, b])).toBe(2)
  })

  test('times and values between the metrics do not disturb it', () => {
    const point = (value: number) => new Writer().count(NUMBER_POINT.time, value).raw(a).double(NUMBER_POINT.asDouble, value).finish()
    expect(hear(group([[point(1)], [point(2)]]), new Echo()).asked).toBe(1)
  })

  test('is not misled by one attribute whose body holds the very bytes of two', () => {
    const one = Uint8Array.from(a)
    one[1] = a.length - 2
    expect(hear(group([[a], [one], [one]]), new Echo())).toEqual({ said: hearPlainly(group([[a], [one], [one]])), asked: 2 })
  })

  test('is not misled by more attributes behind the known ones, nor by a point that ends within them', () => {
    const both = Buffer.concat([a, b])
    const metrics = group([[a], [both], [a], [Buffer.concat([a, time(), b])], [a]])
    expect(hear(metrics, new Echo())).toEqual({ said: hearPlainly(metrics), asked: 5 })
  })

  test('forgets everything when another group begins', () => {
    const echo = new Echo<Said>()
    hear(group([[a]]), echo)
    expect(hear(group([[a]]), echo).asked).toBe(1)
  })

  test('says of any points, whole or damaged, what reading them plainly says', () => {
    const names = ['UUID', 'pod', 'k']
    const pair = fc.tuple(fc.constantFrom(...names), fc.constantFrom('', 'x', 'y', 'z'.repeat(80)))
    const attributes = fc.array(pair, { maxLength: 4 }).map(pairs => Buffer.concat(pairs.map(([key, value]) => fields({ [key]: value }))))
    const piece = fc.oneof({ weight: 3, arbitrary: attributes }, fc.constant(time()))
    const point = fc.oneof({ weight: 3, arbitrary: fc.constantFrom(a, b, none) }, fc.array(piece, { maxLength: 4 }).map(Buffer.concat))
    const metrics = fc.array(fc.array(point, { maxLength: 4 }), { maxLength: 6 })
    const damage = fc.option(fc.tuple(fc.nat(400), fc.nat(255)))
    const echo = new Echo<Said>()
    fc.assert(
      fc.property(metrics, damage, fc.option(fc.nat(400)), fc.nat(3), (said, damaged, cut, every) => {
        const whole = group(said)
        if (damaged && damaged[0] < whole.length) whole[damaged[0]] = damaged[1]
        const bytes = cut === null ? whole : whole.subarray(0, cut)
        expect(orError(() => hear(bytes, echo, n => every === 0 || n % every > 0).said)).toEqual(orError(() => hearPlainly(bytes)))
      }),
      { numRuns: 1000 },
    )
  })
})
