/** Every processor there is: type → lazy import of its folder. To add one, add a folder and a line. */
import type { Registry } from '../runtime/component.js'

export const processors: Registry<'processor'> = {
  attributes: () => import('./attributes/index.js'),
  batch: () => import('./batch/index.js'),
  efficiency: () => import('./efficiency/index.js'),
  gen_ai_normalizer: () => import('./gen_ai_normalizer/index.js'),
  memory_limiter: () => import('./memory_limiter/index.js'),
  resource: () => import('./resource/index.js'),
  slo: () => import('./slo/index.js'),
  workload_id: () => import('./workload_id/index.js'),
  workload_join: () => import('./workload_join/index.js'),
}
