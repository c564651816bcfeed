/**
 * A schema registry, by Confluent's HTTP API (docs.confluent.io/platform/current/schema-registry/develop/api.html). Whatever it answers, somebody can mend it:
 * a registry that is away, refuses us or finds our schema incompatible makes events wait, never drop.
 */
import { RetryableError } from '../../../runtime/errors.js'
import { type EventOptions, RECORD_NAME, type RegistryOptions } from './options.js'

export type SchemaType = 'AVRO' | 'PROTOBUF'

const CONTENT = 'application/vnd.schemaregistry.v1+json'
const NOT_FOUND = 404
/** Milliseconds before a registry that did not help is asked again. */
const AGAIN_AFTER = 5_000

interface Answer {
  readonly status: number
  readonly body: Readonly<Record<string, unknown>>
}

export class SchemaRegistry {
  readonly subject: string
  private readonly headers: Readonly<Record<string, string>>
  /** The schema is registered once; a failure is asked again by the next event. */
  private id: Promise<number> | undefined

  constructor(
    private readonly options: RegistryOptions,
    topic: EventOptions['topic'],
  ) {
    const { subject_strategy: strategy, username, password = '' } = options
    this.subject = { topic_name: `${topic}-value`, record_name: RECORD_NAME, topic_record_name: `${topic}-${RECORD_NAME}` }[strategy]
    const authorization = `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`
    this.headers = { 'content-type': CONTENT, accept: CONTENT, ...(username === '' ? {} : { authorization }) }
  }

  /** Of `schema` under our subject. Rejects with RetryableError, with what to do. */
  idOf(schema: string, schemaType: SchemaType): Promise<number> {
    if (!this.id) {
      const asking = this.find({ schema, schemaType })
      this.id = asking
      asking.catch(() => {
        this.id = undefined
      })
    }
    return this.id
  }

  private async find(schema: { readonly schema: string; readonly schemaType: SchemaType }): Promise<number> {
    const path = `/subjects/${encodeURIComponent(this.subject)}`
    const found = await this.ask(path, schema)
    if (found.status === 200) return this.numbered(found)
    if (found.status !== NOT_FOUND) throw this.refused(found)
    if (!this.options.auto_register)
      throw this.failure(`has no such schema under subject "${this.subject}": register it, or set auto_register: true`, 'schema_missing')
    const compatible = await this.ask(`/compatibility${path}/versions/latest?verbose=true`, schema)
    if (compatible.status === 200 && compatible.body.is_compatible === false) throw this.incompatible(compatible)
    if (compatible.status !== 200 && compatible.status !== NOT_FOUND) throw this.refused(compatible)
    const registered = await this.ask(`${path}/versions`, schema)
    if (registered.status === 409) throw this.incompatible(registered)
    if (registered.status !== 200) throw this.refused(registered)
    return this.numbered(registered)
  }

  /** The first of its addresses that answers, and not with an error of its own. */
  private async ask(path: string, content: object): Promise<Answer> {
    const failures: string[] = []
    for (const url of this.options.urls) {
      try {
        const answer = await fetch(url.replace(/\/$/, '') + path, {
          method: 'POST',
          headers: this.headers,
          body: JSON.stringify(content),
          signal: AbortSignal.timeout(this.options.timeout),
        })
        const body = (await answer.json().catch(() => ({}))) as Answer['body']
        if (answer.status < 500) return { status: answer.status, body }
        failures.push(`${url} answers ${answer.status}`)
      } catch (error) {
        const { message, cause } = error as Error
        failures.push(`${url}: ${cause instanceof Error ? cause.message : message}`)
      }
    }
    throw this.failure(`does not answer (${failures.join('; ')})`, 'schema_registry')
  }

  private numbered({ body }: Answer): number {
    if (typeof body.id !== 'number') throw this.failure('answers without the id of a schema: is this a schema registry?', 'schema_registry')
    return body.id
  }

  private incompatible({ body }: Answer): RetryableError {
    const why = Array.isArray(body.messages) ? body.messages.map(String).join('; ') : String(body.message ?? '')
    return this.failure(
      `finds our schema incompatible with the last one of subject "${this.subject}": ${why}. Write to another topic, or change the subject’s compatibility`,
      'schema_incompatible',
    )
  }

  private refused({ status, body }: Answer): RetryableError {
    const remedy = status === 401 || status === 403 ? ': check username and password' : ''
    return this.failure(`answers ${status} ${String(body.message ?? '')}${remedy}`, 'schema_registry')
  }

  private failure(words: string, reason: string): RetryableError {
    return new RetryableError(`the schema registry ${words}`, reason, AGAIN_AFTER)
  }
}
