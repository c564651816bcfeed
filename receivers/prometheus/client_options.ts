/** Prometheus' HTTP client options: TLS, credentials, headers, redirects. */
import { z } from 'zod'
import { secret } from '../../config/options.js'
import { strict } from './strict.js'

const basicAuth = strict({
  username: z.string().default('').describe('User name.'),
  username_file: z.string().optional().describe('File that holds the user name; read at every request.'),
  password: secret().optional().describe('Password.'),
  password_file: z.string().optional().describe('File that holds the password; read at every request.'),
})
const authorization = strict({
  type: z.string().default('Bearer').describe('First word of the Authorization header.'),
  credentials: secret().optional().describe('The rest of the Authorization header.'),
  credentials_file: z.string().optional().describe('File that holds the credentials; read at every request.'),
})
const tlsVersion = z.enum(['TLS12', 'TLS13'])
const tls = strict({
  ca: z.string().optional().describe('Authorities that the peer’s certificate is checked against, in PEM.'),
  ca_file: z.string().optional().describe('File that holds them.'),
  cert: z.string().optional().describe('Client certificate, in PEM.'),
  cert_file: z.string().optional().describe('File that holds it.'),
  key: secret().optional().describe('Key of the client certificate, in PEM.'),
  key_file: z.string().optional().describe('File that holds it.'),
  server_name: z.string().optional().describe('Name that the peer’s certificate must carry, instead of its address.'),
  insecure_skip_verify: z.boolean().default(false).describe('Accept any certificate. Only for tests: anybody can then pose as it.'),
  min_version: tlsVersion.default('TLS12').describe('Oldest TLS version spoken.'),
  max_version: tlsVersion.optional().describe('Newest TLS version spoken; absent = the newest there is.'),
})
const httpHeader = strict({
  values: z.array(z.string()).default([]).describe('Values.'),
  secrets: z.array(secret()).default([]).describe('Values that are never shown.'),
  files: z.array(z.string()).default([]).describe('Files that hold values; read at every request.'),
})

/** How a job's targets, or the place that lists them, are asked over HTTP. */
export const client = (peer: string) => ({
  enable_http2: z.boolean().default(true).describe('Taken for compatibility; HTTP/1.1 is spoken, which every peer does.'),
  follow_redirects: z.boolean().default(true).describe('Follow up to ten redirects.'),
  basic_auth: basicAuth.optional().describe('Credentials by HTTP Basic.'),
  authorization: authorization.optional().describe('Credentials in the Authorization header.'),
  tls_config: tls.optional().describe(`TLS towards ${peer}.`),
  http_headers: z.record(z.string(), httpHeader).default({}).describe('More headers of the request.'),
})
type Client = z.infer<z.ZodObject<ReturnType<typeof client>>>
export type Refuse = (key: string, message: string) => void
export const checkClient = ({ basic_auth: basic, authorization: header }: Client, refuse: Refuse): void => {
  if (basic && header) refuse('authorization', 'set either basic_auth or authorization, not both')
  if (basic?.password !== undefined && basic.password_file !== undefined) refuse('basic_auth', 'set password or password_file, not both')
  if (header?.type.toLowerCase() === 'basic') refuse('authorization', 'for type Basic use basic_auth')
}

export type Tls = z.infer<typeof tls>
