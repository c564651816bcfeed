/** Why the gateway could not start, told at the place in the configuration that can mend it. */
import { parseEndpoint } from '../config/options.js'
import type { Problem } from '../config/problem.js'
import { locate, type MapNode, type Node, type Path, pathText } from '../config/tree.js'
import { KINDS, SECTIONS } from './registries.js'

/** The port that the operating system refused, from the error's causes. */
const refusedPort = (error: unknown): number | undefined => {
  for (let cause = error; cause instanceof Error; cause = cause.cause)
    if ('port' in cause && typeof cause.port === 'number') return cause.port
  return undefined
}

const namesPort = (node: Node, port: number): boolean =>
  node.kind === 'scalar' && (node.value === port || (typeof node.value === 'string' && parseEndpoint(node.value)?.port === port))

const findPort = (node: Node, port: number, path: Path): Path | undefined => {
  if (namesPort(node, port)) return path
  if (node.kind === 'scalar') return undefined
  const children = node.kind === 'map' ? Array.from(node.entries, ([key, entry]) => [key, entry.node] as const) : node.items.entries()
  for (const [key, child] of children) {
    const found = findPort(child, port, [...path, key])
    if (found) return found
  }
  return undefined
}

/** The part that failed, by the name that the graph puts before its message. */
const failedPart = (message: string, root: MapNode): { path: Path; rest: string } | undefined => {
  for (const section of SECTIONS) {
    const { node } = locate(root, [section])
    for (const id of node?.kind === 'map' ? node.entries.keys() : []) {
      const name = `${KINDS[section]} ${id}`
      if (message.startsWith(`${name}: `)) return { path: [section, id], rest: message.slice(name.length + 2) }
      if (message.startsWith(`${name} in pipeline `)) return { path: [section, id], rest: message.slice(message.indexOf(': ') + 2) }
    }
  }
  const own = 'service.telemetry.metrics: '
  return message.startsWith(own) ? { path: ['service', 'telemetry', 'metrics'], rest: message.slice(own.length) } : undefined
}

export const startProblem = (error: unknown, root: MapNode): Problem => {
  const message = error instanceof Error ? error.message : String(error)
  const part = failedPart(message, root)
  if (!part) return { path: '', message }
  const { node } = locate(root, part.path)
  const port = refusedPort(error)
  const path = (node && port !== undefined && findPort(node, port, part.path)) || part.path
  return { at: locate(root, path)[path === part.path ? 'keyAt' : 'at'], path: pathText(path), message: part.rest }
}
