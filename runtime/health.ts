/** Whether the gateway takes telemetry. The graph says so, and components that can do their work no more; extensions show it. */
import { type Clock, Token } from './component.js'

export const HEALTH = new Token<Health>('health')

export class Health {
  private since: number | undefined
  private readonly failures = new Set<{ readonly problem: string }>()

  constructor(private readonly clock: Clock) {}

  /** Milliseconds since the epoch at which every component had started; undefined before that, while one has failed, and from the first moment of the stop on. */
  get readySince(): number | undefined {
    return this.failures.size > 0 ? undefined : this.since
  }

  /** What has failed and what to do, for a person; undefined when nothing has. */
  get problem(): string | undefined {
    const [first] = this.failures
    return first?.problem
  }

  /** A component can do its work no more: not ready until the returned function is called. */
  failed(problem: string): () => void {
    const failure = { problem }
    this.failures.add(failure)
    return () => void this.failures.delete(failure)
  }

  ready(): void {
    this.since = this.clock.now()
  }

  notReady(): void {
    this.since = undefined
  }
}
