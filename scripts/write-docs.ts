/** `npm run docs`: brings the generated tables of all documents up to date. */
import { writeFileSync } from 'node:fs'
import { documents } from './docs.js'

for (const { path, text, fresh } of await documents(process.cwd())) {
  if (text === fresh) continue
  writeFileSync(path, fresh)
  console.log(`wrote ${path}`)
}
