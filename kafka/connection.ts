/** The one link of a group member: made when somebody asks, given up when it fails, and never two at a time. */
import { type KafkaError, kafkaError } from './errors.js'
import { Link } from './link.js'
import type { KafkajsConfig } from './options.js'
import type { Ports } from './ports.js'
import { within } from './wait.js'

export class Connection {
  private current: Promise<Link> | undefined
  /** The last one made, open or not yet. */
  private latest: Link | undefined

  constructor(
    private readonly config: KafkajsConfig,
    private readonly topics: readonly string[],
    private readonly ports: Ports,
    private readonly failing: (error: KafkaError) => void,
  ) {}

  link(): Promise<Link> {
    this.current ??= this.open()
    return this.current
  }

  /** One question, within `ms`. A connection that did not answer it is not asked again. */
  async ask<T>(what: string, question: (link: Link) => Promise<T>, ms = this.config.requestTimeout): Promise<T> {
    let link: Link | undefined
    try {
      const answer = this.link().then(opened => question((link = opened)))
      return await within(this.ports.clock, ms, what, answer)
    } catch (error) {
      const failure = kafkaError(what, error)
      if (link && (failure.code === 'CONNECTION' || failure.code === 'TIMEOUT')) this.discard(link)
      throw failure
    }
  }

  discard(link: Link): void {
    link.close()
    const { current } = this
    void current?.then(
      opened => {
        if (opened === link && this.current === current) this.current = undefined
      },
      () => {},
    )
  }

  /** What is under way ends; who asks again gets a new connection. */
  close(): void {
    this.latest?.close()
    this.current = undefined
  }

  private async open(): Promise<Link> {
    const link = new Link(this.config, this.ports.log)
    this.latest = link
    try {
      await within(this.ports.clock, 2 * this.config.connectionTimeout, 'connect', link.open(this.topics))
      return link
    } catch (error) {
      link.close()
      const failure = kafkaError(`connect to ${this.config.brokers.join()}`, error)
      this.failing(failure)
      if (this.latest === link) this.current = undefined
      throw failure
    }
  }
}
