/** Every receiver there is: type → lazy import of its folder. To add one, add a folder and a line. */
import type { Registry } from '../runtime/component.js'

export const receivers: Registry<'receiver'> = {
  kafka: () => import('./kafka/index.js'),
  nvidia_smi: () => import('./nvidia_smi/index.js'),
  otlp: () => import('./otlp/index.js'),
  prometheus: () => import('./prometheus/index.js'),
}
