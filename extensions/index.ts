/** Every extension there is: type → lazy import of its folder. To add one, add a folder and a line. */
import type { Registry } from '../runtime/component.js'

export const extensions: Registry<'extension'> = {
  health_check: () => import('./health_check/index.js'),
}
