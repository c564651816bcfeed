/** Where the published schemas lie: beside the code, in the package too. */
import { fileURLToPath } from 'node:url'

export const schemaPath = (name: 'events.proto' | 'events.avsc'): string => fileURLToPath(new URL(`./schema/${name}`, import.meta.url))
