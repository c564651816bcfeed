import { keepsUtf8 } from '../../proto/prometheus/names.js'
import { Totals } from '../../proto/totals.js'
import { component } from '../../runtime/component.js'
import { deliver } from '../../runtime/delivery/index.js'
import { refusingUnreadable } from '../../runtime/errors.js'
import { checkHeaders, HttpClient } from '../../runtime/net/http-client.js'
import { droppedItems, perReason } from '../../runtime/telemetry/ledger.js'
import { options } from './options.js'
import { Sender } from './sender.js'

export default component({
  kind: 'exporter',
  type: 'prometheus_remote_write',
  aliases: ['prometheusremotewrite'],
  summary: 'Writes metrics to Prometheus, Mimir, Thanos and others by remote write 1 or 2, names of Prometheus kept as they came.',
  stability: 'alpha',
  signals: ['metrics'],
  config: options,
  examples: {
    'To a Prometheus started with --web.enable-remote-write-receiver': 'endpoint: http://prometheus:9090/api/v1/write\n',
    'To Mimir, as one of its tenants':
      'endpoint: https://mimir.example.com/api/v1/push\nheaders: {x-scope-orgid: factory}\nallow_out_of_order: true\n',
    'By version 2, merged into larger requests, the cluster on every series':
      'endpoint: http://prometheus:9090/api/v1/write\nprotocol: 2\nexternal_labels: {cluster: eu-west-1}\nsending_queue:\n  batch: {flush_timeout: 1s}\n',
  },
  create(config, context) {
    checkHeaders(config.headers)
    const { meter, id } = context
    const strategy = config.add_metric_suffixes === false ? 'UnderscoreEscapingWithoutSuffixes' : config.translation_strategy
    const client = new HttpClient(
      { tls: config.tls, connections: config.max_conns_per_host, idleTimeout: config.idle_conn_timeout },
      context,
    )
    const sender = new Sender({ ...config, translation_strategy: strategy, utf8: keepsUtf8(strategy) }, client, context)
    const dropped = perReason(reason => droppedItems(meter, 'exporter', id, 'metrics', reason))
    const totals = new Totals({ series: config.max_series, silence: config.metric_expiration }, reason => dropped(reason).add(1))
    const delivery = deliver(config, (batch, signal) => refusingUnreadable('bad_data', () => sender.send(batch, signal)), context)
    meter.gauge('ai_factory_gateway_prometheus_series', 'Series known to the exporter.', { exporter: id }, () => sender.series)
    return {
      temporality: 'cumulative',
      // Before the queue, so that what is sent again is not added up again.
      consume: async batch => delivery.consume(refusingUnreadable('bad_data', () => totals.of(batch))),
      async start() {
        await client.start()
        await delivery.start?.()
      },
      async stop(deadline) {
        await delivery.stop?.(deadline)
        client.stop()
      },
    }
  },
})
