/** The document of `nvidia-smi -q -x`, and ways into it that outlast renamings between drivers. */
import { parseXml, XmlElement, type XmlNode } from '@rgrove/parse-xml'
import { CollectionError } from '../../runtime/collection.js'
import { type Dimension, isNothing, reading } from './reading.js'

/** Told of a value that cannot be read. */
export type Unreadable = (message: string) => void

/** Clocks that a card could be set to: thousands of lines that nobody reads, nine tenths of the document. */
const SUPPORTED_CLOCKS = /<supported_clocks>[\s\S]*?<\/supported_clocks>/g
/** Some drivers print names of processes as they are, `&` and `<` and all. */
const PROCESS_NAME = /<process_name>([\s\S]*?)<\/process_name>/g
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what XML forbids.
const FORBIDDEN = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g
const escaped = (_: string, name: string): string =>
  `<process_name>${name.replaceAll(/&(?!(?:amp|lt|gt|quot|apos|#\d+|#x[\da-f]+);)/gi, '&amp;').replaceAll('<', '&lt;')}</process_name>`

/** The root of the document. Throws CollectionError `unreadable` when it is no document, or half of one. */
export const documentOf = (text: string): XmlElement => {
  const cleaned = text.replaceAll(SUPPORTED_CLOCKS, '').replaceAll(PROCESS_NAME, escaped).replaceAll(FORBIDDEN, '?')
  let root: XmlElement | null
  try {
    root = parseXml(cleaned).root
  } catch (error) {
    const [line = ''] = error instanceof Error ? error.message.split('\n', 1) : []
    throw new CollectionError(`what the tool printed is no whole XML document: ${line}`, 'unreadable', { cause: error })
  }
  if (root?.name !== 'nvidia_smi_log')
    throw new CollectionError(
      `what the tool printed is no log of nvidia-smi: its root is <${root?.name}>, expected <nvidia_smi_log>`,
      'unreadable',
    )
  return root
}

const isElement = (node: XmlNode): node is XmlElement => node instanceof XmlElement

export const childrenOf = (parent: XmlElement | undefined, name: string): XmlElement[] =>
  parent ? parent.children.filter(isElement).filter(child => child.name === name) : []

/** The element at `path` (`a/b`), through the first child of each name. */
const at = (parent: XmlElement | undefined, path: string): XmlElement | undefined => {
  let found = parent
  for (const name of path.split('/')) found = found?.children.find((child): child is XmlElement => isElement(child) && child.name === name)
  return found
}

/** One part of the document: a GPU, a MIG device, a process. */
export class Section {
  constructor(
    private readonly element: XmlElement,
    private readonly unreadable: Unreadable,
  ) {}

  /** The text at the first of `paths` that is there and says something. */
  text(...paths: readonly string[]): string | undefined {
    for (const path of paths) {
      const text = at(this.element, path)?.text.trim()
      if (text !== undefined && !isNothing(text)) return text
    }
    return undefined
  }

  /** The text at `path` as it is, a word for "nothing" too. */
  word(path: string): string | undefined {
    return at(this.element, path)?.text.trim()
  }

  /** The number at the first of `paths` that has one, in our unit. */
  number(dimension: Dimension, ...paths: readonly string[]): number | undefined {
    for (const path of paths) {
      const text = at(this.element, path)?.text.trim()
      if (text === undefined) continue
      const value = reading(text, dimension)
      if (value === 'unreadable') this.unreadable(`${path} says ${JSON.stringify(text.slice(0, 60))}, expected a number as ${dimension}`)
      else if (value !== undefined) return value
    }
    return undefined
  }

  /** The sum of those at `paths` that have a number; undefined when none has. */
  sum(dimension: Dimension, ...paths: readonly string[]): number | undefined {
    let total: number | undefined
    for (const path of paths) {
      const value = this.number(dimension, path)
      if (value !== undefined) total = (total ?? 0) + value
    }
    return total
  }

  /** Every child element of the element at the first of `paths` that is there: name and text. */
  entries(...paths: readonly string[]): (readonly [name: string, text: string])[] {
    const found = paths.map(path => at(this.element, path)).find(Boolean)
    return (found?.children ?? []).filter(isElement).map(({ name, text }) => [name, text.trim()])
  }

  sections(path: string, name: string): Section[] {
    return childrenOf(at(this.element, path), name).map(element => new Section(element, this.unreadable))
  }

  attribute(name: string): string | undefined {
    return this.element.attributes[name]
  }
}
