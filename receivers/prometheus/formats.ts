/** Which formats are asked for, and which one an answer is in. Source: prometheus/prometheus config/config.go, scrape protocols. */
import type { Format } from '../../proto/exposition/cursor.js'
import { ScrapeError } from './failure.js'
import type { PROTOCOLS } from './options.js'

type Protocol = (typeof PROTOCOLS)[number]

const ASKED: Readonly<Record<Protocol, string>> = {
  'OpenMetricsText1.0.0': 'application/openmetrics-text;version=1.0.0;escaping=allow-utf-8',
  'OpenMetricsText0.0.1': 'application/openmetrics-text;version=0.0.1',
  'PrometheusText1.0.0': 'text/plain;version=1.0.0;escaping=allow-utf-8',
  'PrometheusText0.0.4': 'text/plain;version=0.0.4',
}

/** `…;q=0.5,…;q=0.4,*\/*;q=0.1`: first is best. */
export const acceptHeader = (protocols: readonly Protocol[]): string => {
  const asked = protocols.map((protocol, index) => `${ASKED[protocol]};q=0.${protocols.length + 1 - index}`)
  return [...asked, '*/*;q=0.1'].join(',')
}

/** Throws ScrapeError `content_type` where the answer is in no known format and the job names none to fall back to. */
export const formatOf = (contentType: string | undefined, fallback: Protocol | undefined): Format => {
  const type = (contentType ?? '').split(';', 1)[0]!.trim().toLowerCase()
  if (type === 'application/openmetrics-text') return 'openmetrics'
  if (type === 'text/plain') return 'text'
  if (fallback) return fallback.startsWith('OpenMetrics') ? 'openmetrics' : 'text'
  const said = type === '' ? 'no Content-Type' : `the Content-Type ${JSON.stringify(type.slice(0, 80))}`
  throw new ScrapeError(
    `the target answered with ${said}; if its body is an exposition all the same, set fallback_scrape_protocol`,
    'content_type',
  )
}
