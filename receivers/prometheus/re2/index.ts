/**
 * A regular expression as Prometheus means it: RE2 syntax, matched against the whole text.
 *
 * JavaScript's engine is fast but backtracks, and a scraped label must not be able to hang the process. So the number of ways backtracking can
 * take is bounded from the expression and the text's length; above the bound the same tree runs on a matcher that reads each character once.
 */
import { backtracking, javascriptSource, type Work } from './javascript.js'
import { compile, run } from './linear.js'
import { type Node, readSyntax } from './syntax.js'

export { PatternError } from './scanner.js'

/** Ways through that JavaScript's engine may try: about a millisecond of its time. */
const MOST_WAYS = 100_000

export class Pattern {
  readonly names: ReadonlyMap<string, number>
  private readonly work: Work
  private readonly expression: RegExp | undefined
  private readonly program: ReturnType<typeof compile>

  /** Throws PatternError. */
  constructor(readonly source: string) {
    const { root, names } = readSyntax(source)
    this.names = names
    this.work = backtracking(root)
    this.program = compile(root, source)
    const folds = new Set(foldings(root))
    // JavaScript folds case everywhere or nowhere.
    this.expression = folds.size > 1 ? undefined : new RegExp(`^(?:${javascriptSource(root)})$`, folds.has(true) ? 'ui' : 'u')
  }

  /** The whole text and its groups (undefined for one that took no part); undefined when the text does not match from end to end. */
  match(text: string): readonly (string | undefined)[] | undefined {
    if (this.expression && this.backtracksLittle(text)) return this.expression.exec(text) ?? undefined
    const slots = run(this.program, text)
    if (!slots) return undefined
    const groups: (string | undefined)[] = [text]
    for (let slot = 2; slot < slots.length; slot += 2) {
      const [start, end] = [slots[slot], slots[slot + 1]]
      groups[slot / 2] = start === undefined || end === undefined ? undefined : text.slice(start, end)
    }
    return groups
  }

  test(text: string): boolean {
    if (this.expression && this.backtracksLittle(text)) return this.expression.test(text)
    return run(this.program, text) !== undefined
  }

  private backtracksLittle(text: string): boolean {
    return this.work.ways * (text.length + 1) ** this.work.degree <= MOST_WAYS
  }
}

const foldings = function* (node: Node): Generator<boolean> {
  if (node.kind === 'one') yield node.fold
  else if (node.kind === 'concat' || node.kind === 'alternate') for (const each of node.nodes) yield* foldings(each)
  else if (node.kind === 'repeat' || node.kind === 'capture') yield* foldings(node.node)
}
