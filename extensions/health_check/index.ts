import { z } from 'zod'
import { endpoint } from '../../config/options.js'
import { component } from '../../runtime/component.js'
import { HEALTH } from '../../runtime/health.js'
import { serverTlsOptions, TlsFiles } from '../../runtime/net/tls.js'
import { PageServer } from '../../runtime/page-server.js'
import { healthPage } from './page.js'

const path = z.string().regex(/^\//, { error: 'a path begins with "/"' })

export default component({
  kind: 'extension',
  type: 'health_check',
  summary: 'Tells probes over HTTP whether the gateway takes telemetry.',
  stability: 'stable',
  signals: [],
  config: z.strictObject({
    endpoint: endpoint('localhost:13133').describe('Where to listen; `0.0.0.0:13133` lets probes from other machines in.'),
    path: path.default('/').describe('Path that is answered, beside `/ready`, which always is.'),
    response_body: z
      .strictObject({
        healthy: z.string().optional().describe('Body while telemetry is taken, instead of the JSON status.'),
        unhealthy: z.string().optional().describe('Body before that, while stopping and after a failure, instead of the JSON status.'),
      })
      .prefault({})
      .describe('Fixed bodies for probes that look for a text.'),
    tls: serverTlsOptions.optional().describe('Serve HTTPS with this certificate.'),
  }),
  examples: {
    'For probes on the same machine': '{}\n',
    'For Kubernetes probes': 'endpoint: 0.0.0.0:13133\npath: /health\n',
  },
  create({ endpoint, path, response_body, tls }, context) {
    const health = context.host.get(HEALTH)
    const { clock, log } = context
    const page = (asked: string) =>
      asked === path || asked === '/ready' ? healthPage(health.readySince, clock.now(), response_body, health.problem) : undefined
    let files: TlsFiles | undefined
    let server: PageServer | undefined
    return {
      async start() {
        files = tls && (await TlsFiles.ofServer(tls, context))
        server = new PageServer({ endpoint, tls: files, page, clock, log })
        await server.start()
        log.info('listening', { endpoint, port: server.port })
      },
      async stop(deadline) {
        await server?.stop(deadline)
        files?.close()
        server = undefined
        files = undefined
      },
    }
  },
})
