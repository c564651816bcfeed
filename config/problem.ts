/** What is wrong with a configuration, said so that the person who wrote it can mend it. */

/** `source` is a file's path as it was given, or `--set a.b`. Lines and columns count from 1. */
export interface Position {
  readonly source: string
  readonly line?: number
  readonly column?: number
}

export interface Problem {
  readonly at?: Position | undefined
  /** Where in the configuration: `processors.batch.timeout`; empty when the whole is meant. */
  readonly path: string
  readonly message: string
}

const placeText = (at: Position): string => [at.source, at.line, at.column].filter(part => part !== undefined).join(':')

/** `pipeline.yaml:12:5: processors.batch.timeot: unknown option; did you mean "timeout"?` */
export const problemText = ({ at, path, message }: Problem): string =>
  [at && placeText(at), path, message].filter(part => part !== undefined && part !== '').join(': ')

/** The configuration cannot be used. Its message has one line for each problem. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
  constructor(readonly problems: readonly Problem[]) {
    super(problems.map(problemText).join('\n'))
  }
}

/** Runs every task and throws one ConfigError with the problems of all of them. */
export const collectProblems = <T>(tasks: Iterable<() => T>): T[] => {
  const problems: Problem[] = []
  const results: T[] = []
  for (const task of tasks) {
    try {
      results.push(task())
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error
      problems.push(...error.problems)
    }
  }
  if (problems.length > 0) throw new ConfigError(problems)
  return results
}
