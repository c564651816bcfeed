/** The broker's jars, by Maven, once per content of pom.xml, in the user's cache folder; and an empty, formatted log directory beside them. */
import { execFile, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

/** From the root of the repository, where tests and `npm run` are. */
export const FOLDER = 'simulator/kafka'
const POM = join(FOLDER, 'pom.xml')
/** The first run downloads 45 MB. */
const MAVEN_TIMEOUT_MS = 300_000
const FORMAT_TIMEOUT_MS = 60_000
const CLUSTER_ID = '4L6g3nShT-eMCtK--X86sw'

export interface Installed {
  readonly classPath: string
  /** What a node that has never run has in its log directory: the same for every broker, ports are not in it. */
  readonly template: string
}

const run = promisify(execFile)

const cacheFolder = (): string => {
  const base = process.env.XDG_CACHE_HOME || join(homedir(), '.cache')
  const version = createHash('sha256').update(readFileSync(POM)).digest('hex').slice(0, 12)
  return join(base, 'ai-factory-gateway', `kafka-${version}`)
}

/** What is missing for a broker of our own, in words; undefined when nothing is. */
export const missing = (): string | undefined => {
  const wanted = existsSync(cacheFolder()) ? ['java'] : ['java', 'mvn']
  const absent = wanted.filter(program => spawnSync('sh', ['-c', `command -v ${program}`]).status !== 0)
  return absent.length > 0 ? absent.join(' and ') : undefined
}

const fill = async (folder: string): Promise<void> => {
  const jars = join(folder, 'jars')
  await run('mvn', ['-q', '-B', '-f', POM, 'dependency:copy-dependencies', `-DoutputDirectory=${jars}`, '-DincludeScope=runtime'], {
    timeout: MAVEN_TIMEOUT_MS,
  })
  const properties = join(folder, 'format.properties')
  const template = join(folder, 'template')
  const voters = ['process.roles=broker,controller', 'node.id=1', 'controller.quorum.voters=1@localhost:1', 'controller.listener.names=C']
  const listeners = ['listeners=C://localhost:1,P://localhost:2', 'listener.security.protocol.map=C:PLAINTEXT,P:PLAINTEXT']
  writeFileSync(properties, [...voters, ...listeners, 'inter.broker.listener.name=P', `log.dirs=${template}`, ''].join('\n'))
  await run(
    'java',
    ['-XX:TieredStopAtLevel=1', '-cp', `${jars}/*`, 'kafka.tools.StorageTool', 'format', '-t', CLUSTER_ID, '-c', properties],
    {
      timeout: FORMAT_TIMEOUT_MS,
    },
  )
}

/** Several processes may call this at once: each fills a folder of its own, and the first to finish gives it its name. */
export const installBroker = async (): Promise<Installed> => {
  const cache = cacheFolder()
  if (!existsSync(cache)) {
    mkdirSync(join(cache, '..'), { recursive: true })
    const folder = mkdtempSync(`${cache}-`)
    try {
      await fill(folder)
      renameSync(folder, cache)
    } catch (error) {
      if (!existsSync(cache)) throw error
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  }
  return { classPath: `${join(cache, 'jars')}/*`, template: join(cache, 'template') }
}
