/** What backends' HTTP answers mean alike, whatever protocol is spoken over it. */
import { TOO_LARGE } from '../delivery/halving.js'
import type { Answer } from './http-client.js'

const PERMANENT: Readonly<Record<number, string>> = {
  400: 'bad_data',
  401: 'unauthenticated',
  403: 'forbidden',
  404: 'unknown_path',
  405: 'unknown_path',
  413: TOO_LARGE,
  415: 'unsupported_encoding',
}
/** Of a backend's words, characters that go into our own messages. */
const LONGEST_QUOTE = 200

/** Why a request with this status will never be taken: a label. */
export const permanentReason = (status: number): string => PERMANENT[status] ?? 'refused'

/** What the backend answered, in a sentence for people; `words`: its own. */
export const answered = ({ status, headers: { location } }: Answer, words: string): string => {
  const said = `the backend answered ${status}`
  if (location !== undefined) return `${said} and sends us to ${location.slice(0, LONGEST_QUOTE)}; set the endpoint to where it is`
  const quoted = words.replace(/\s+/g, ' ').trim().slice(0, LONGEST_QUOTE)
  return quoted === '' ? said : `${said}: ${quoted}`
}
