/** Whether the gateway takes telemetry. The graph says so; extensions show it. */
import { type Clock, Token } from './component.js'

export const HEALTH = new Token<Health>('health')

export class Health {
  private since: number | undefined

  constructor(private readonly clock: Clock) {}

  /** Milliseconds since the epoch at which every component had started; undefined before that and from the first moment of the stop on. */
  get readySince(): number | undefined {
    return this.since
  }

  ready(): void {
    this.since = this.clock.now()
  }

  notReady(): void {
    this.since = undefined
  }
}
