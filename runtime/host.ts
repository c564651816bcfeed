/** What main.ts puts there for components to find, by typed token. */
import type { Host, Token } from './component.js'

export class TokenMap implements Host {
  private readonly values = new Map<Token<unknown>, unknown>()

  /** Tokens not put here are looked up in `parent`. */
  constructor(private readonly parent?: Host) {}

  put<T>(token: Token<T>, value: T): this {
    this.values.set(token, value)
    return this
  }

  get<T>(token: Token<T>): T {
    if (this.values.has(token)) return this.values.get(token) as T
    if (this.parent) return this.parent.get(token)
    throw new Error(`nothing here provides "${token.name}"; is its section missing from the configuration?`)
  }
}
