/** "Did you mean": the known word that a mistyped one is closest to. */

/** Insertions, deletions, replacements and swaps of neighbours that turn one word into the other. */
export const editDistance = (a: string, b: string): number => {
  let twoBack: number[] = []
  let oneBack = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const replaced = oneBack[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)
      let best = Math.min(replaced, oneBack[j]! + 1, row[j - 1]! + 1)
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) best = Math.min(best, twoBack[j - 2]! + 1)
      row.push(best)
    }
    twoBack = oneBack
    oneBack = row
  }
  return oneBack[b.length]!
}

const LONGEST_WORD = 64
const fold = (word: string): string => word.toLowerCase().replace(/[-\s]/g, '_')

/** The candidate within a third of the word's length, at least one edit; spelling of case and dashes is free. */
export const closest = (word: string, candidates: Iterable<string>): string | undefined => {
  if (word.length > LONGEST_WORD) return undefined
  const folded = fold(word)
  const within = Math.max(1, Math.floor(word.length / 3))
  let best: { candidate: string; distance: number } | undefined
  for (const candidate of candidates) {
    const distance = editDistance(folded, fold(candidate))
    if (distance <= within && distance < (best?.distance ?? Number.POSITIVE_INFINITY)) best = { candidate, distance }
  }
  return best?.candidate
}

/** Ends a message: `; did you mean "timeout"?`, else the known words when they are few, else nothing. */
export const suggestion = (word: string, candidates: readonly string[]): string => {
  const near = closest(word, candidates)
  if (near !== undefined) return `; did you mean ${JSON.stringify(near)}?`
  if (candidates.length === 0 || candidates.length > 20) return ''
  return candidates.length === 1 ? `; known is ${candidates[0]}` : `; known are ${candidates.toSorted().join(', ')}`
}
