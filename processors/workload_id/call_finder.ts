/** Whether any span of a group is a call: read as far as its kind, which is all there is to know of most groups. */
import { GROUP, SCOPE_GROUP, SPAN } from '../../proto/fields.js'
import { SPAN_KIND } from '../../proto/views/traces.js'
import { Fields } from '../../proto/wire.js'

export class CallFinder {
  /** Spans read by the last call of `among`. */
  spans = 0
  private readonly scopes = new Fields()
  private readonly inScope = new Fields()
  private readonly span = new Fields()

  /** True at the first client span. False: there is none among all `spans`. Throws WireError. */
  among(rest: Uint8Array): boolean {
    const { scopes, inScope, span } = this
    this.spans = 0
    scopes.reset(rest)
    while (scopes.next()) {
      if (scopes.number !== GROUP.scopes) continue
      inScope.enter(scopes)
      while (inScope.next()) {
        if (inScope.number !== SCOPE_GROUP.items) continue
        this.spans++
        span.enter(inScope)
        while (span.next())
          if (span.number === SPAN.kind) {
            if (span.int() === SPAN_KIND.client) return true
            break
          }
      }
    }
    return false
  }
}
