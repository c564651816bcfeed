/** Spans without some of their attributes: a rare path, for what was enriched before. */
import { GROUP, KEY_VALUE, SCOPE_GROUP, SPAN } from '../../proto/fields.js'
import { Fields, Writer } from '../../proto/wire.js'

/** The group's rest with every span's attributes of these keys left out; all else stays byte for byte. Throws WireError. */
export const without = (rest: Uint8Array, keys: ReadonlySet<string>): Uint8Array => {
  const out = new Writer(rest.length)
  const [scopes, spans, span, pair] = [new Fields(rest), new Fields(), new Fields(), new Fields()]
  while (scopes.next()) {
    if (scopes.number !== GROUP.scopes) {
      out.raw(rest, scopes.tagStart, scopes.end)
      continue
    }
    out.begin(GROUP.scopes, scopes.end - scopes.start)
    spans.enter(scopes)
    while (spans.next()) {
      if (spans.number !== SCOPE_GROUP.items) {
        out.raw(rest, spans.tagStart, spans.end)
        continue
      }
      out.begin(SCOPE_GROUP.items, spans.end - spans.start)
      span.enter(spans)
      while (span.next()) {
        let key = ''
        if (span.number === SPAN.attributes) {
          pair.enter(span)
          while (pair.next()) if (pair.number === KEY_VALUE.key) key = pair.string()
        }
        if (!keys.has(key)) out.raw(rest, span.tagStart, span.end)
      }
      out.end()
    }
    out.end()
  }
  return out.finish()
}
