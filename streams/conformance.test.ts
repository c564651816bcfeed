import { conformance } from './testing/conformance.js'
import { conformanceOfRestarts } from './testing/conformance_restart.js'
import { diskWorld, memoryWorld } from './testing/worlds.js'

for (const [driver, makeWorld] of [
  ['test', memoryWorld],
  ['embedded', diskWorld],
] as const) {
  conformance(driver, makeWorld)
  conformanceOfRestarts(driver, makeWorld)
}
