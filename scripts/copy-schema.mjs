// tsc copies no data files; the published schemas are read at run time from beside the code.
import { cpSync } from 'node:fs'

cpSync('proto/schema', 'dist/proto/schema', { recursive: true })
