/**
 * The tree as a program that reads each character once, however the expression is written: time is at most program × text.
 * Source: Russ Cox, "Regular Expression Matching: the Virtual Machine Approach" (2009), Pike's machine, threads in order of preference.
 */
import { PatternError } from './scanner.js'
import type { Assertion, Node, One } from './syntax.js'

type Instruction =
  | { op: 'one'; literal: number | undefined; test: RegExp }
  | { op: 'assert'; what: Assertion }
  | { op: 'save'; slot: number }
  | { op: 'split'; first: number; second: number }
  | { op: 'jump'; to: number }
  | { op: 'match' }

const LARGEST = 20_000

/** Throws PatternError when the program would be too large. */
export const compile = (root: Node, pattern: string): Instruction[] => {
  const program: Instruction[] = []
  const emit = <T extends Instruction>(instruction: T): T => {
    if (program.length >= LARGEST)
      throw new PatternError(`the regular expression ${JSON.stringify(pattern)} is too large; use fewer repetitions`)
    program.push(instruction)
    return instruction
  }
  const tests = new Map<string, RegExp>()
  const testOf = ({ source, fold }: One): RegExp => {
    const flags = fold ? 'ui' : 'u'
    const key = flags + source
    let test = tests.get(key)
    if (!test) tests.set(key, (test = new RegExp(`^${source}$`, flags)))
    return test
  }
  /** Two ways on from here; the preferred one is tried first. The result sets where the other leads. */
  const fork = (greedy: boolean): ((otherwise: number) => void) => {
    const split = emit({ op: 'split', first: 0, second: 0 })
    const here = program.length
    split.first = split.second = here
    return otherwise => {
      if (greedy) split.second = otherwise
      else split.first = otherwise
    }
  }
  const write = (node: Node): void => {
    switch (node.kind) {
      case 'one':
        emit({ op: 'one', literal: node.literal, test: testOf(node) })
        return
      case 'assert':
        emit({ op: 'assert', what: node.what })
        return
      case 'concat':
        node.nodes.forEach(write)
        return
      case 'capture':
        emit({ op: 'save', slot: node.index * 2 })
        write(node.node)
        emit({ op: 'save', slot: node.index * 2 + 1 })
        return
      case 'alternate': {
        const ends: { op: 'jump'; to: number }[] = []
        node.nodes.forEach((branch, index) => {
          const otherwise = index < node.nodes.length - 1 ? fork(true) : undefined
          write(branch)
          ends.push(emit({ op: 'jump', to: 0 }))
          otherwise?.(program.length)
        })
        for (const end of ends) end.to = program.length
        return
      }
      case 'repeat': {
        for (let i = 0; i < node.min; i++) write(node.node)
        if (node.max === Number.POSITIVE_INFINITY) {
          const loop = program.length
          const leave = fork(node.greedy)
          write(node.node)
          emit({ op: 'jump', to: loop })
          leave(program.length)
          return
        }
        const leaves: ((otherwise: number) => void)[] = []
        for (let i = node.min; i < node.max; i++) {
          leaves.push(fork(node.greedy))
          write(node.node)
        }
        for (const leave of leaves) leave(program.length)
        return
      }
    }
  }
  write(root)
  emit({ op: 'match' })
  return program
}

type Slots = readonly (number | undefined)[]
interface Thread {
  pc: number
  slots: Slots
}

/** Where the groups of a match of all of `text` lie: slots 2g and 2g+1 are group g's. Undefined when it does not match. */
export const run = (program: readonly Instruction[], text: string): Slots | undefined => {
  const characters = Array.from(text)
  let offset = 0
  let threads: Thread[] = []
  let visited = new Uint8Array(program.length)

  const add = (list: Thread[], pcStart: number, slotsStart: Slots, at: number): void => {
    const stack: Thread[] = [{ pc: pcStart, slots: slotsStart }]
    for (let top = stack.pop(); top; top = stack.pop()) {
      const { pc, slots } = top
      if (visited[pc]) continue
      visited[pc] = 1
      const instruction = program[pc]!
      if (instruction.op === 'jump') stack.push({ pc: instruction.to, slots })
      else if (instruction.op === 'split') stack.push({ pc: instruction.second, slots }, { pc: instruction.first, slots })
      else if (instruction.op === 'save') {
        const saved = slots.slice()
        saved[instruction.slot] = offset
        stack.push({ pc: pc + 1, slots: saved })
      } else if (instruction.op === 'assert') {
        if (holds(instruction.what, characters, at)) stack.push({ pc: pc + 1, slots })
      } else list.push(top)
    }
  }

  add(threads, 0, [], 0)
  for (let at = 0; at < characters.length; at++) {
    const character = characters[at]!
    const codePoint = character.codePointAt(0)
    offset += character.length
    const following: Thread[] = []
    visited = new Uint8Array(program.length)
    for (const { pc, slots } of threads) {
      const instruction = program[pc]!
      if (instruction.op !== 'one') continue
      if (instruction.literal === undefined ? instruction.test.test(character) : instruction.literal === codePoint)
        add(following, pc + 1, slots, at + 1)
    }
    if (following.length === 0) return undefined
    threads = following
  }
  return threads.find(({ pc }) => program[pc]!.op === 'match')?.slots
}

const isWord = (character: string | undefined): boolean => character !== undefined && /^\w$/.test(character)

const holds = (what: Assertion, characters: readonly string[], at: number): boolean => {
  switch (what) {
    case 'start':
      return at === 0
    case 'end':
      return at === characters.length
    case 'line_start':
      return at === 0 || characters[at - 1] === '\n'
    case 'line_end':
      return at === characters.length || characters[at] === '\n'
    case 'word_boundary':
      return isWord(characters[at - 1]) !== isWord(characters[at])
    case 'no_word_boundary':
      return isWord(characters[at - 1]) === isWord(characters[at])
  }
}
