/** How people and service supervisors end the gateway. */

const NUMBERS = { SIGINT: 2, SIGTERM: 15 } as const
export type StopSignal = keyof typeof NUMBERS

export interface Signals {
  /** Resolves at the first signal. */
  readonly first: Promise<StopSignal>
  ignore(): void
}

/** The first SIGINT or SIGTERM asks for an orderly stop, the second calls `again` with the exit code that shells expect (130, 143). */
export const listenForSignals = (again: (code: number) => void): Signals => {
  let resolve: (signal: StopSignal) => void = () => {}
  const first = new Promise<StopSignal>(done => {
    resolve = done
  })
  let asked = false
  const heard = (signal: NodeJS.Signals): void => {
    if (asked) again(128 + NUMBERS[signal as StopSignal])
    asked = true
    resolve(signal as StopSignal)
  }
  const signals = Object.keys(NUMBERS) as StopSignal[]
  for (const signal of signals) process.on(signal, heard)
  const ignore = (): void => {
    for (const signal of signals) process.off(signal, heard)
  }
  return { first, ignore }
}
