/** So many at once, the others in order. */
export class Places {
  private free: number
  private readonly waiting: (() => void)[] = []

  constructor(places: number) {
    this.free = places
  }

  /** Resolves to what gives the place back. */
  async take(): Promise<() => void> {
    if (this.free > 0) this.free--
    else await new Promise<void>(resolve => this.waiting.push(resolve))
    let taken = true
    return () => {
      if (!taken) return
      taken = false
      const next = this.waiting.shift()
      if (next) next()
      else this.free++
    }
  }
}
