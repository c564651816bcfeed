/** Every exporter there is: type → lazy import of its folder. To add one, add a folder and a line. */
import type { Registry } from '../runtime/component.js'

export const exporters: Registry<'exporter'> = {
  debug: () => import('./debug/index.js'),
  file: () => import('./file/index.js'),
  kafka: () => import('./kafka/index.js'),
  otlp_grpc: () => import('./otlp_grpc/index.js'),
  otlp_http: () => import('./otlp_http/index.js'),
  prometheus: () => import('./prometheus/index.js'),
  prometheus_remote_write: () => import('./prometheus_remote_write/index.js'),
}
