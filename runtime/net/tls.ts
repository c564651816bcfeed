/**
 * TLS for servers and clients: the Collector's option block, files read again while running.
 * A changed pair is tried first; when it is bad the old one stays in use and the fault is logged and counted.
 */
import { X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { type ConnectionOptions, createSecureContext, rootCertificates, type SecureContext, type SecureContextOptions } from 'node:tls'
import { z } from 'zod'
import { duration, secret } from '../../config/options.js'
import type { Context } from '../component.js'

const version = z.enum(['1.2', '1.3'])
const pair = {
  cert_file: z.string().optional().describe('PEM file with the certificate chain, leaf first.'),
  key_file: z.string().optional().describe('PEM file with the private key of `cert_file`.'),
  cert_pem: z.string().optional().describe('The certificate chain itself, instead of `cert_file`.'),
  key_pem: secret().optional().describe('The private key itself, instead of `key_file`.'),
  min_version: version.default('1.2').describe('Oldest TLS version spoken.'),
  max_version: version.optional().describe('Newest TLS version spoken; absent = the newest there is.'),
  cipher_suites: z
    .array(z.string())
    .optional()
    .describe('OpenSSL names of the cipher suites allowed up to TLS 1.2; absent = the runtime’s list.'),
  reload_interval: duration('10s').describe(
    'How often the files are looked at for changes. New connections use the new files; 0 never looks.',
  ),
}

/** `tls:` of something that listens. */
export const serverTlsOptions = z
  .strictObject({
    ...pair,
    client_ca_file: z
      .string()
      .optional()
      .describe('PEM file with the authorities that client certificates are checked against; when set, clients must present one.'),
  })
  .refine(tls => (tls.cert_file ?? tls.cert_pem) && (tls.key_file ?? tls.key_pem), {
    error: 'a TLS server needs a certificate and its key: set cert_file and key_file (or cert_pem and key_pem)',
  })
export type ServerTlsOptions = z.infer<typeof serverTlsOptions>

/** `tls:` of something that connects. */
export const clientTlsOptions = z
  .strictObject({
    ...pair,
    insecure: z.boolean().default(false).describe('Speak plain text where the endpoint has no scheme that says otherwise.'),
    insecure_skip_verify: z
      .boolean()
      .default(false)
      .describe('Accept any server certificate. Only for tests: anybody can then pose as the server.'),
    server_name_override: z.string().optional().describe('Name the server certificate is checked against, instead of the endpoint’s host.'),
    ca_file: z
      .string()
      .optional()
      .describe('PEM file with the authorities that the server certificate is checked against; absent = the well-known ones.'),
    ca_pem: z.string().optional().describe('The authorities themselves, instead of `ca_file`.'),
    include_system_ca_certs_pool: z.boolean().default(false).describe('Trust the well-known authorities beside those of `ca_file`.'),
  })
  .refine(tls => Boolean(tls.cert_file ?? tls.cert_pem) === Boolean(tls.key_file ?? tls.key_pem), {
    error: 'a client certificate needs its key, and a key its certificate: set both cert_file and key_file, or neither',
  })
export type ClientTlsOptions = z.infer<typeof clientTlsOptions>

type PairOptions = Pick<
  ServerTlsOptions,
  'cert_file' | 'key_file' | 'cert_pem' | 'key_pem' | 'min_version' | 'max_version' | 'cipher_suites' | 'reload_interval'
>
type TlsContext = Pick<Context, 'id' | 'log' | 'meter' | 'clock'>

/** Certificates and keys in use, kept equal to the files they came from until `close`. */
export class TlsFiles {
  private listeners: ((context: SecureContextOptions) => void)[] = []
  private cancel: (() => void) | undefined
  private closed = false
  private lastFault = ''

  private constructor(
    private readonly options: PairOptions,
    private readonly caFile: string | undefined,
    private readonly caPem: string | undefined,
    private readonly systemRoots: boolean,
    private readonly context: TlsContext,
    private material: SecureContextOptions,
    /** Built from the files last found good; new connections use it. */
    private built: SecureContext,
  ) {}

  /** Reads and checks the files. Rejects with the file and the reason when they cannot be used. */
  static async ofServer(options: ServerTlsOptions, context: TlsContext): Promise<TlsFiles> {
    return TlsFiles.open(options, options.client_ca_file, undefined, false, context)
  }

  /** As `ofServer`, for the connecting side. */
  static async ofClient(options: ClientTlsOptions, context: TlsContext): Promise<TlsFiles> {
    return TlsFiles.open(options, options.ca_file, options.ca_pem, options.include_system_ca_certs_pool, context)
  }

  private static async open(
    options: PairOptions,
    caFile: string | undefined,
    caPem: string | undefined,
    systemRoots: boolean,
    context: TlsContext,
  ): Promise<TlsFiles> {
    const material = await load(options, caFile, caPem, systemRoots)
    const files = new TlsFiles(options, caFile, caPem, systemRoots, context, material, build(material, context.id))
    files.watch()
    if (material.cert !== undefined)
      context.meter.gauge(
        'ai_factory_gateway_tls_certificate_days_to_expiry',
        'Days until the certificate in use expires; below zero it has.',
        { component: context.id },
        () => files.daysToExpiry(),
      )
    return files
  }

  /** What a server is created with, and given again by `setSecureContext` on each change. */
  get server(): SecureContextOptions & { requestCert: boolean; rejectUnauthorized: boolean } {
    const checked = this.caFile !== undefined
    return { ...this.material, requestCert: checked, rejectUnauthorized: checked }
  }

  get secureContext(): SecureContext {
    return this.built
  }

  /** Called with the new material after every good change. */
  onChange(listener: (context: SecureContextOptions) => void): void {
    this.listeners.push(listener)
  }

  /** Stops looking at the files. */
  close(): void {
    this.closed = true
    this.cancel?.()
    this.cancel = undefined
    this.listeners = []
  }

  /** Reads the files once and takes them over if they are good; called every `reload_interval`. Never rejects. */
  async reload(): Promise<void> {
    try {
      const material = await load(this.options, this.caFile, this.caPem, this.systemRoots)
      if (this.closed || sameMaterial(material, this.material)) {
        this.lastFault = ''
        return
      }
      this.built = build(material, this.context.id)
      this.material = material
      this.lastFault = ''
      for (const listener of this.listeners) listener(material)
      this.count('ok')
      this.context.log.info('took over changed TLS files', { cert_file: this.options.cert_file, ca_file: this.caFile })
    } catch (error) {
      const fault = error instanceof Error ? error.message : String(error)
      this.count('failed')
      if (fault !== this.lastFault) this.context.log.error('changed TLS files cannot be used; the old ones stay in use', { error: fault })
      this.lastFault = fault
    }
  }

  private watch(): void {
    const { reload_interval: interval } = this.options
    if (interval <= 0) return
    this.cancel = this.context.clock.after(interval, () => {
      void this.reload().then(() => {
        if (!this.closed) this.watch()
      })
    })
  }

  private count(outcome: 'ok' | 'failed'): void {
    this.context.meter
      .counter('ai_factory_gateway_tls_reloads_total', 'Changes of TLS files: taken over, or found unusable.', {
        component: this.context.id,
        outcome,
      })
      .add(1)
  }

  private daysToExpiry(): number {
    const { cert } = this.material
    if (typeof cert !== 'string') return Number.NaN
    return (Date.parse(new X509Certificate(cert).validTo) - this.context.clock.now()) / 86_400_000
  }
}

/** What `tls.connect`, `https.request` and `http2.connect` take, at this moment: ask anew for each connection. */
export const clientConnection = (options: ClientTlsOptions, files: TlsFiles): ConnectionOptions => ({
  secureContext: files.secureContext,
  rejectUnauthorized: !options.insecure_skip_verify,
  ...(options.server_name_override !== undefined && { servername: options.server_name_override }),
})

const load = async (
  options: PairOptions,
  caFile: string | undefined,
  caPem: string | undefined,
  systemRoots: boolean,
): Promise<SecureContextOptions> => {
  const [cert, key, ca] = await Promise.all([
    pem(options.cert_pem, options.cert_file),
    pem(options.key_pem, options.key_file),
    pem(caPem, caFile),
  ])
  return {
    minVersion: `TLSv${options.min_version}`,
    ...(options.max_version && { maxVersion: `TLSv${options.max_version}` }),
    ...(options.cipher_suites && { ciphers: options.cipher_suites.join(':') }),
    ...(cert !== undefined && { cert }),
    ...(key !== undefined && { key }),
    ...(ca !== undefined && { ca: systemRoots ? [ca, ...rootCertificates] : [ca] }),
  }
}

const pem = async (text: string | undefined, file: string | undefined): Promise<string | undefined> => {
  if (text !== undefined || file === undefined) return text
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    throw new Error(`cannot read the TLS file ${file}: ${error instanceof Error ? error.message : String(error)}`, { cause: error })
  }
}

const build = (material: SecureContextOptions, id: string): SecureContext => {
  try {
    return createSecureContext(material)
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    throw new Error(`the TLS certificate and key of ${id} cannot be used (${why}); check that they are PEM and belong together`, {
      cause: error,
    })
  }
}

const sameMaterial = (a: SecureContextOptions, b: SecureContextOptions): boolean =>
  a.cert === b.cert && a.key === b.key && String(a.ca) === String(b.ca)
