/** Opening a port, with errors a person can act on. */
import type { AddressInfo, Server } from 'node:net'
import { parseEndpoint } from '../../config/options.js'

/**
 * Listens on `endpoint` (`host:port`; no host = every address; port 0 = any free one) and tells the port.
 * `localhost` is 127.0.0.1, as in the Collector. Rejects with what to change when the port cannot be had.
 */
export const listen = (server: Server, endpoint: string): Promise<number> => {
  const place = parseEndpoint(endpoint)
  if (place === undefined) return Promise.reject(new Error(`"${endpoint}" is no endpoint; expected host:port such as localhost:4317`))
  const { host, port } = place
  return new Promise((resolve, reject) => {
    const failed = (error: NodeJS.ErrnoException): void => reject(new Error(explain(endpoint, error), { cause: error }))
    server.once('error', failed)
    server.listen({ port, ...(host !== '' && { host: host === 'localhost' ? '127.0.0.1' : host }) }, () => {
      server.off('error', failed)
      resolve((server.address() as AddressInfo).port)
    })
  })
}

const explain = (endpoint: string, error: NodeJS.ErrnoException): string => {
  if (error.code === 'EADDRINUSE') return `cannot listen on ${endpoint}: the port is in use; stop what uses it or set another endpoint`
  if (error.code === 'EACCES') return `cannot listen on ${endpoint}: this user may not open that port; set one above 1023`
  if (error.code === 'EADDRNOTAVAIL' || error.code === 'ENOTFOUND') return `cannot listen on ${endpoint}: this machine has no such address`
  return `cannot listen on ${endpoint}: ${error.message}`
}
