/** Headers of a scrape that say who asks. Files are read anew each time: tokens are rotated under our feet. */
import { readFile } from 'node:fs/promises'
import { messageOf, ScrapeError } from './failure.js'
import type { JobOptions } from './options.js'

export type Who = Pick<JobOptions, 'basic_auth' | 'authorization' | 'http_headers'>

/** Rejects with ScrapeError `credentials` when a file cannot be read. */
export const credentialHeaders = async ({
  basic_auth: basic,
  authorization,
  http_headers: others,
}: Who): Promise<Record<string, string[]>> => {
  const headers: Record<string, string[]> = {}
  for (const [name, { values, secrets, files }] of Object.entries(others))
    headers[name] = [...values, ...secrets, ...(await Promise.all(files.map(read)))]
  if (basic) {
    const user = basic.username_file === undefined ? basic.username : await read(basic.username_file)
    const password = basic.password_file === undefined ? (basic.password ?? '') : await read(basic.password_file)
    headers.authorization = [`Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`]
  } else if (authorization) {
    const credentials =
      authorization.credentials_file === undefined ? authorization.credentials : await read(authorization.credentials_file)
    headers.authorization = [`${authorization.type} ${credentials ?? ''}`.trim()]
  }
  return headers
}

const read = async (file: string): Promise<string> => {
  try {
    return (await readFile(file, 'utf8')).trim()
  } catch (error) {
    throw new ScrapeError(`cannot read ${file}: ${messageOf(error)}`, 'credentials', { cause: error })
  }
}
