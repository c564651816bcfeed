/** zod's issues → problems in words, each at its place in the file, none showing a secret. */
import type { z } from 'zod'
import type { Problem } from './problem.js'
import { isSecret, knownKeys, knownValues, type Schema, schemasAt } from './schema.js'
import { closest, suggestion } from './suggest.js'
import { type Located, locate, type Node, type Path, pathText } from './tree.js'

export type Issue = z.core.$ZodIssue

const TYPE_NAMES: Readonly<Record<string, string>> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  object: 'a map',
  record: 'a map',
  array: 'a list',
  tuple: 'a list',
  null: 'nothing',
}
const MISSING = 'missing'
const LONGEST_SHOWN = 60

/** Credentials in a URL are secrets wherever they stand. */
export const withoutCredentials = (text: string): string => text.replace(/(:\/\/)[^/@\s]+@/g, '$1[REDACTED]@')

const shown = (node: Node, secret: boolean): string => {
  if (node.reference !== undefined) return `the value of ${node.reference}`
  if (node.kind !== 'scalar') return node.kind === 'map' ? 'a map' : 'a list'
  if (node.value === null) return 'nothing'
  if (secret) return `a ${typeof node.value === 'string' ? 'text' : typeof node.value} that is not shown`
  if (typeof node.value !== 'string') return String(node.value)
  const text = withoutCredentials(node.value)
  return JSON.stringify(text.length > LONGEST_SHOWN ? `${text.slice(0, LONGEST_SHOWN)}…` : text)
}

const listed = (words: readonly string[]): string =>
  words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} or ${words[words.length - 1]}`

/** How to write the value that was probably meant. */
const remedy = (expected: string, node: Node, secret: boolean): string => {
  if (node.kind !== 'scalar' || node.reference !== undefined) return ''
  const { value } = node
  if (expected === 'string' && value !== null) return secret ? '; put it in quotes' : `; put it in quotes: "${value}"`
  if (typeof value !== 'string' || secret) return ''
  if (expected === 'boolean' && /^(yes|on|true|1)$/i.test(value)) return '; write true'
  if (expected === 'boolean' && /^(no|off|false|0)$/i.test(value)) return '; write false'
  if ((expected === 'number' || expected === 'int') && value.trim() !== '' && Number.isFinite(Number(value)))
    return `; write ${value} without quotes`
  return ''
}

const bound = (issue: z.core.$ZodIssueTooSmall | z.core.$ZodIssueTooBig): string => {
  const small = issue.code === 'too_small'
  const amount = String(small ? issue.minimum : issue.maximum)
  const words = issue.inclusive === false ? (small ? 'more than' : 'less than') : small ? 'at least' : 'at most'
  if (issue.origin === 'string') return `expected ${words} ${amount} character${amount === '1' ? '' : 's'}`
  if (issue.origin === 'number' || issue.origin === 'int' || issue.origin === 'bigint') return `expected ${words} ${amount}`
  return `expected ${words} ${amount} item${amount === '1' ? '' : 's'}`
}

/** zod's own sentences are replaced by ours; a sentence that an option's author wrote is kept. */
const isStock = (message: string): boolean => /^(Invalid|Too (small|big)|Unrecognized)\b/.test(message)

class Explanation {
  /** Paths that a mistyped name probably meant: that they are missing is no second mistake. */
  readonly meant = new Set<string>()

  constructor(
    private readonly schema: Schema,
    private readonly root: Node,
    private readonly prefix: Path,
  ) {}

  problems(issue: Issue, base: Path = []): Problem[] {
    const path = [...base, ...issue.path]
    if (issue.code === 'unrecognized_keys') return issue.keys.map(key => this.unknown([...path, key]))
    if (issue.code === 'invalid_union' && issue.errors.length > 0) return this.union(issue.errors, path)
    if (issue.code === 'invalid_key')
      return [this.problem(path, `this name cannot stand here: ${issue.issues.map(one => one.message).join(', ')}`, true)]
    return [this.value(issue, path)]
  }

  private problem(path: Path, message: string, atKey = false): Problem {
    const { at, keyAt } = locate(this.root, path)
    return { at: atKey ? keyAt : at, path: pathText([...this.prefix, ...path]), message }
  }

  private unknown(path: Path): Problem {
    const parent = path.slice(0, -1)
    const { node } = locate(this.root, parent)
    const present = node?.kind === 'map' ? node.entries : new Map()
    const free = knownKeys(schemasAt(this.schema, parent)).filter(key => !present.has(key))
    const name = String(path.at(-1))
    const near = closest(name, free)
    if (near !== undefined) this.meant.add(pathText([...this.prefix, ...parent, near]))
    return this.problem(path, `unknown option${suggestion(name, free)}`, true)
  }

  /** Of a union's branches the one that the writer came closest to; if none fits at all, what each would have taken. */
  private union(branches: readonly (readonly Issue[])[], path: Path): Problem[] {
    const atRoot = (branch: readonly Issue[]) => branch.some(issue => issue.path.length === 0 && issue.code === 'invalid_type')
    const close = branches.filter(branch => !atRoot(branch)).toSorted((a, b) => a.length - b.length)[0]
    if (close) return close.flatMap(issue => this.problems(issue, path))
    const types = branches.flat().flatMap(issue => (issue.code === 'invalid_type' ? [TYPE_NAMES[issue.expected] ?? issue.expected] : []))
    return [this.expected(listed([...new Set(types)]), path)]
  }

  private expected(what: string, path: Path, advice = ''): Problem {
    const located = locate(this.root, path)
    if (!located.node) return this.missing(what, path, located)
    return this.problem(path, `expected ${what}, got ${shown(located.node, isSecret(schemasAt(this.schema, path)))}${advice}`)
  }

  private missing(what: string, path: Path, { keyAt }: Located): Problem {
    return { at: keyAt, path: pathText([...this.prefix, ...path]), message: `${MISSING}; expected ${what}` }
  }

  private value(issue: Issue, path: Path): Problem {
    const schemas = schemasAt(this.schema, path)
    const { node } = locate(this.root, path)
    if (issue.code === 'invalid_type') {
      const what = TYPE_NAMES[issue.expected] ?? issue.expected
      return this.expected(what, path, node && remedy(issue.expected, node, isSecret(schemas)))
    }
    if (issue.code === 'invalid_value' || issue.code === 'invalid_union') {
      const known = knownValues(schemas)
      const written = node?.kind === 'scalar' && typeof node.value === 'string' && node.reference === undefined ? node.value : undefined
      const near = written === undefined ? undefined : closest(written, known)
      return this.expected(listed(known.map(value => JSON.stringify(value))), path, near && `; did you mean ${JSON.stringify(near)}?`)
    }
    if (!isStock(issue.message)) return this.problem(path, issue.message)
    if (issue.code === 'too_small' || issue.code === 'too_big') return this.problem(path, bound(issue))
    if (issue.code === 'invalid_format')
      return this.expected(issue.pattern ? `text like ${issue.pattern}` : `text in the form of ${issue.format}`, path)
    return this.problem(path, issue.message)
  }
}

/** `root` was checked against `schema`; `prefix` is where it stands in the whole configuration. */
export const problemsOf = (issues: readonly Issue[], schema: Schema, root: Node, prefix: Path): Problem[] => {
  const explanation = new Explanation(schema, root, prefix)
  const problems = issues.flatMap(issue => explanation.problems(issue))
  return problems.filter(({ path, message }) => !(explanation.meant.has(path) && message.startsWith(MISSING)))
}
