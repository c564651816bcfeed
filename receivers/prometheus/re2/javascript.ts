/** The tree as JavaScript's own expression, and how much work its backtracking can make. */
import type { Assertion, Node } from './syntax.js'

const ASSERTIONS: Readonly<Record<Assertion, string>> = {
  start: '^',
  end: '$',
  line_start: '(?<![^\\n])',
  line_end: '(?![^\\n])',
  word_boundary: '\\b',
  no_word_boundary: '\\B',
}

export const javascriptSource = (node: Node): string => {
  switch (node.kind) {
    case 'one':
      return node.source
    case 'assert':
      return `(?:${ASSERTIONS[node.what]})`
    case 'concat':
      return node.nodes.map(javascriptSource).join('')
    case 'alternate':
      return `(?:${node.nodes.map(javascriptSource).join('|')})`
    case 'capture':
      return `(${javascriptSource(node.node)})`
    case 'repeat':
      return `(?:${javascriptSource(node.node)})${bounds(node.min, node.max)}${node.greedy ? '' : '?'}`
  }
}

const bounds = (min: number, max: number): string => {
  if (max === Number.POSITIVE_INFINITY) return min === 0 ? '*' : min === 1 ? '+' : `{${min},}`
  return min === 0 && max === 1 ? '?' : `{${min},${max}}`
}

/** On a text of n characters backtracking tries at most `ways` · n^`degree` ways through. */
export interface Work {
  ways: number
  degree: number
}

/** An upper bound, and a plain one: nested loops count as without bound, also where they are harmless. */
export const backtracking = (node: Node): Work => {
  switch (node.kind) {
    case 'one':
    case 'assert':
      return { ways: 1, degree: 0 }
    case 'capture':
      return backtracking(node.node)
    case 'concat':
      return node.nodes.map(backtracking).reduce((all, each) => ({ ways: all.ways * each.ways, degree: all.degree + each.degree }), {
        ways: 1,
        degree: 0,
      })
    case 'alternate':
      return node.nodes.map(backtracking).reduce((all, each) => ({ ways: all.ways + each.ways, degree: Math.max(all.degree, each.degree) }))
    case 'repeat': {
      const { ways, degree } = backtracking(node.node)
      const { min, max } = node
      if (max === Number.POSITIVE_INFINITY)
        return ways === 1 && degree === 0 ? { ways: 1, degree: 1 } : { ways: Number.POSITIVE_INFINITY, degree: 1 }
      return { ways: ways ** max * (max - min + 1), degree: degree * max }
    }
  }
}
