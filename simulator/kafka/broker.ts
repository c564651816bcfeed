/** One Kafka node of our own (KRaft) as a process on free ports, with its data in a temporary folder. */
import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process'
import { closeSync, cpSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from '../gateway.js'
import { until } from '../until.js'
import { FOLDER, installBroker } from './jars.js'

const START_TIMEOUT_MS = 60_000
const STOP_TIMEOUT_MS = 20_000
const TOOL_TIMEOUT_MS = 60_000
/** A third of the start time is the JIT compiler's otherwise. */
const JVM = ['-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-XX:-UsePerfData']
const BROKER_JVM = ['-Xms128m', '-Xmx384m', '-Dlog4j2.level=INFO']

export interface BrokerOptions {
  /** Lines of server.properties besides ours. */
  readonly properties?: readonly string[]
  /** Further listeners, name → security protocol; their addresses are `listeners[name]`. */
  readonly listeners?: Readonly<Record<string, 'SASL_PLAINTEXT' | 'SSL' | 'SASL_SSL'>>
  /** When this process is gone, so are the broker and its folder. */
  readonly owner?: number
  /** An empty folder for everything it has; made when left out. */
  readonly folder?: string
}

const answers = (port: number): Promise<boolean> =>
  new Promise(resolve => {
    const socket = connect(port, '127.0.0.1', () => resolve(!!socket.destroy()))
    socket.on('error', () => resolve(false))
  })

export class KafkaBroker {
  private child: ChildProcess | undefined

  private constructor(
    private readonly folder: string,
    private readonly classPath: string,
    private readonly port: number,
    readonly listeners: Readonly<Record<string, string>>,
  ) {}

  static async start({ properties = [], listeners = {}, owner = process.pid, ...given }: BrokerOptions = {}): Promise<KafkaBroker> {
    const { classPath, template } = await installBroker()
    const folder = given.folder ?? mkdtempSync(join(tmpdir(), 'kafka-'))
    spawn(process.execPath, [join(FOLDER, 'keeper.cjs'), String(owner), folder], { detached: true, stdio: 'ignore' }).unref()
    cpSync(template, join(folder, 'data'), { recursive: true })
    const port = await freePort()
    const further: Record<string, string> = {}
    for (const name of Object.keys(listeners)) further[name] = `127.0.0.1:${await freePort()}`
    const broker = new KafkaBroker(folder, classPath, port, further)
    const addresses = [`PLAINTEXT://127.0.0.1:${port}`, ...Object.entries(further).map(([name, address]) => `${name}://${address}`)]
    const protocols = ['CONTROLLER:PLAINTEXT', 'PLAINTEXT:PLAINTEXT', ...Object.entries(listeners).map(each => each.join(':'))]
    const controller = `127.0.0.1:${await freePort()}`
    const lines = [
      'process.roles=broker,controller',
      'node.id=1',
      `controller.quorum.voters=1@${controller}`,
      'controller.listener.names=CONTROLLER',
      'inter.broker.listener.name=PLAINTEXT',
      `listeners=CONTROLLER://${controller},${addresses.join()}`,
      `advertised.listeners=${addresses.join()}`,
      `listener.security.protocol.map=${protocols.join()}`,
      `log.dirs=${join(folder, 'data')}`,
      'auto.create.topics.enable=false',
      'offsets.topic.num.partitions=4',
      'offsets.topic.replication.factor=1',
      'transaction.state.log.num.partitions=4',
      'transaction.state.log.replication.factor=1',
      'transaction.state.log.min.isr=1',
      // Tests make short sessions and do not wait for further members.
      'group.min.session.timeout.ms=1000',
      'group.initial.rebalance.delay.ms=0',
      // After a kill, the node waits until its earlier self is given up.
      'broker.heartbeat.interval.ms=500',
      'broker.session.timeout.ms=3000',
      ...properties,
      '',
    ]
    writeFileSync(join(folder, 'server.properties'), lines.join('\n'))
    try {
      await broker.restart()
    } catch (error) {
      await broker.stop()
      throw error
    }
    return broker
  }

  get brokers(): string[] {
    return [`127.0.0.1:${this.port}`]
  }

  /** Everything it has said so far. */
  get logs(): string {
    const path = join(this.folder, 'log')
    return existsSync(path) ? readFileSync(path, 'utf8') : ''
  }

  /** Runs a Java program with the broker's jars: a class of theirs, or a source file. What it wrote. */
  tool(program: string, ...given: readonly string[]): Promise<string> {
    const args = [...this.jvm, '-Xmx128m', '-Dlog4j2.level=ERROR', program, ...given]
    return new Promise((resolve, reject) =>
      execFile('java', args, { timeout: TOOL_TIMEOUT_MS, cwd: this.folder }, (error, stdout, stderr) => {
        if (error) reject(new Error(`${program}: ${error.message}\n${stdout}${stderr}`))
        else resolve(stdout)
      }),
    )
  }

  /** Native parts of its codecs are unpacked where they are removed with the rest. */
  private get jvm(): string[] {
    return [...JVM, `-Djava.io.tmpdir=${this.folder}`, '-cp', this.classPath]
  }

  /** Starts it again on what it had, on the same ports. */
  async restart(): Promise<void> {
    await this.end('SIGTERM')
    const before = this.logs.length
    const log = openSync(join(this.folder, 'log'), 'a')
    const child = spawn('java', [...this.jvm, ...BROKER_JVM, 'kafka.Kafka', join(this.folder, 'server.properties')], {
      detached: true,
      stdio: ['ignore', log, log],
      cwd: this.folder,
    })
    closeSync(log)
    child.unref()
    this.child = child
    writeFileSync(join(this.folder, 'pid'), String(child.pid))
    const ready = async (): Promise<boolean> => {
      if (child.exitCode !== null || child.signalCode !== null)
        throw new Error(`the broker ended:\n${this.logs.slice(before).slice(-4000)}`)
      return this.logs.slice(before).includes('Kafka Server started') && (await answers(this.port))
    }
    await until('the broker is ready', ready, START_TIMEOUT_MS)
  }

  /** As when the power goes. */
  kill(): Promise<void> {
    return this.end('SIGKILL')
  }

  /** As when its disk is full: nothing it writes is taken any more, and it ends. Until `restart`. */
  async fillDisk(): Promise<void> {
    const { child } = this
    if (!child) return
    execFileSync('prlimit', ['--pid', String(child.pid), '--fsize=0'])
    await until('the broker ends', () => child.exitCode !== null || child.signalCode !== null, STOP_TIMEOUT_MS)
  }

  /** Frozen: keeps its connections and answers nothing. */
  freeze(): void {
    this.child?.kill('SIGSTOP')
  }

  thaw(): void {
    this.child?.kill('SIGCONT')
  }

  /** Ends it and removes its data. */
  async stop(): Promise<void> {
    await this.end('SIGKILL')
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 })
  }

  private async end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    const { child } = this
    this.child = undefined
    if (!child || child.exitCode !== null || child.signalCode !== null) return
    child.kill(signal)
    const gone = (): boolean => child.exitCode !== null || child.signalCode !== null
    await until('the broker ends', gone, STOP_TIMEOUT_MS)
  }
}
