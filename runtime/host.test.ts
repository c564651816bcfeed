import { Token } from './component.js'
import { TokenMap } from './host.js'

describe('host', () => {
  const RATE = new Token<number>('rate')

  it('finds what was put there, its own before its parent’s', () => {
    const parent = new TokenMap().put(RATE, 1)
    expect([new TokenMap(parent).get(RATE), new TokenMap(parent).put(RATE, 2).get(RATE)]).toEqual([1, 2])
  })

  it('names what is missing', () => {
    expect(() => new TokenMap().get(RATE)).toThrow('"rate"')
  })
})
