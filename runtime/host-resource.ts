/** Which host is measured: its name and id, also from inside a container that sees the host's files under another root. */
import { readFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { z } from 'zod'
import { writeAttribute } from '../proto/attribute.js'
import { RESOURCE } from '../proto/fields.js'
import { Writer } from '../proto/wire.js'

/** Options of every receiver that measures a host. */
export const hostOptions = {
  root_path: z
    .string()
    .startsWith('/', 'expected an absolute path such as "/hostfs"')
    .default('/')
    .describe('Where the root of the host’s file system is seen: in a container, the path at which it is mounted.'),
  host_name: z
    .string()
    .optional()
    .describe('Name of the host (`host.name`); absent = as the host says itself. In Kubernetes the node’s name, from the downward API.'),
}

/** Body of a Resource with `host.name` and, where the host has one, `host.id` (machine-id, as the semantic conventions want it). */
export const hostResource = async (root: string, name?: string): Promise<Uint8Array> => {
  const own = root === '/'
  // The kernel tells a container its own name, whatever it mounts: under another root only the file knows the host's.
  const said = name ?? (own ? hostname() : ((await firstLine(join(root, 'etc/hostname'))) ?? hostname()))
  const id = await firstLine(join(root, 'etc/machine-id'))
  const writer = new Writer(128)
  writeAttribute(writer, RESOURCE.attributes, 'host.name', said)
  if (id !== undefined) writeAttribute(writer, RESOURCE.attributes, 'host.id', id)
  return writer.finish()
}

const firstLine = async (file: string): Promise<string | undefined> => {
  try {
    return (await readFile(file, 'utf8')).split('\n', 1)[0]?.trim() || undefined
  } catch {
    return undefined
  }
}
