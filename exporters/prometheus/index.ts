import type { Batch } from '../../proto/batch.js'
import { CONTENT_TYPE, writeExposition } from '../../proto/exposition/write.js'
import { Labels } from '../../proto/prometheus/labels.js'
import { metricName } from '../../proto/prometheus/names.js'
import { Totals } from '../../proto/totals.js'
import { MetricCursor } from '../../proto/views/metrics.js'
import { component } from '../../runtime/component.js'
import { refusingUnreadable } from '../../runtime/errors.js'
import { TlsFiles } from '../../runtime/net/tls.js'
import { PageServer } from '../../runtime/page-server.js'
import { droppedItems, perReason } from '../../runtime/telemetry/ledger.js'
import { familiesOf } from './families.js'
import { type Options, options } from './options.js'
import { kindOf, type Refused, Store } from './store.js'

/** Puts the points of batches into the store. */
class Taker {
  private readonly labels: Labels
  private readonly cursor = new MetricCursor()

  constructor(
    private readonly options: Options,
    private readonly refused: (reason: Refused) => void,
  ) {
    this.labels = new Labels(options)
  }

  /** Throws WireError. */
  take(store: Store, batch: Batch, now: number): void {
    const { cursor, labels } = this
    for (const group of batch.groups) {
      const resource = labels.ofResource(group.resource)
      cursor.over(group.rest)
      while (cursor.next()) {
        const { metric } = cursor
        const kind = kindOf(metric)
        const name = metricName(
          metric.name(),
          metric.unit(),
          kind === 'gauge' || kind === 'counter' ? kind : 'other',
          this.options.namespace,
        )
        while (cursor.nextPoint()) {
          const reason = kind
            ? store.take(cursor, kind, name, labels.ofPoint(resource, cursor.point.attributes), now)
            : 'exponential_histogram'
          if (reason) this.refused(reason)
        }
      }
    }
  }
}

export default component({
  kind: 'exporter',
  type: 'prometheus',
  summary: 'A page that Prometheus scrapes: the latest value of every series, names of Prometheus kept as they came.',
  stability: 'alpha',
  signals: ['metrics'],
  config: options,
  examples: {
    'For a Prometheus on the same machine': 'endpoint: localhost:8889\n',
    'Open to others, every series with the cluster it is from':
      'endpoint: 0.0.0.0:8889\nconst_labels: {cluster: eu-west-1}\nmetric_expiration: 10m\n',
  },
  create(config, context) {
    const { clock, log, meter, id } = context
    const dropped = perReason(reason => droppedItems(meter, 'exporter', id, 'metrics', reason))
    const refused = (reason: string): void => dropped(reason).add(1)
    const taker = new Taker(config, refused)
    const totals = new Totals({ series: config.max_series, silence: config.metric_expiration }, refused)
    const store = new Store({ perMetric: config.cardinality_limit, inAll: config.max_series, expiration: config.metric_expiration })
    meter.gauge('ai_factory_gateway_prometheus_series', 'Series on the page.', { exporter: id }, () => store.size)
    const page = (path: string, accept: string) => {
      if (path !== config.path) return undefined
      store.expire(clock.monotonic())
      const format = config.enable_open_metrics && accept.includes('application/openmetrics-text') ? 'openmetrics' : 'text'
      const families = familiesOf(store, config.send_timestamps, format === 'openmetrics')
      return { status: 200, type: CONTENT_TYPE[format], body: writeExposition(families, format) }
    }
    let files: TlsFiles | undefined
    let server: PageServer | undefined
    return {
      // Correlated events are told as totals: what a scraper expects.
      temporality: 'cumulative',
      async start() {
        files = config.tls && (await TlsFiles.ofServer(config.tls, context))
        server = new PageServer({ endpoint: config.endpoint, tls: files, page, clock, log })
        await server.start()
        log.info('listening', { endpoint: config.endpoint, port: server.port })
      },
      async stop(deadline) {
        await server?.stop(deadline)
        files?.close()
        server = undefined
        files = undefined
      },
      async consume(batch) {
        refusingUnreadable('bad_data', () => taker.take(store, totals.of(batch), clock.monotonic()))
      },
    }
  },
})
