/** A receiver with a real executable in the place of nvidia-smi: a script that the test writes. */
import { chmodSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { Admission, MemoryAdmission } from '../../../runtime/admission.js'
import type { Lifecycle } from '../../../runtime/component.js'
import { TokenMap } from '../../../runtime/host.js'
import { TestClock } from '../../../runtime/testing/clock.js'
import { harness } from '../../../runtime/testing/harness.js'
import { type MeasuredPoint, measured, until } from '../../../runtime/testing/measured.js'
import nvidiaSmi from '../index.js'

export class Scene {
  readonly folder = mkdtempSync(join(tmpdir(), 'nvidia-smi-'))
  readonly clock = new TestClock()
  readonly kit = harness('nvidia_smi', {
    clock: this.clock,
    host: new TokenMap().put(Admission, new MemoryAdmission(this.clock)),
  })
  readonly command = join(this.folder, 'nvidia-smi')
  private receiver: Lifecycle | undefined

  /** What the tool prints from now on, and how it ends. */
  prints(text: string, status = 0): void {
    writeFileSync(join(this.folder, 'out'), text)
    this.does(`cat "${this.folder}/out"\nexit ${status}`)
  }

  /** What the tool does from now on; every run leaves a mark in the folder. */
  does(script: string): void {
    writeFileSync(`${this.command}.new`, `#!/bin/sh\necho "$@" >> "${this.folder}/runs"\n${script}\n`)
    chmodSync(`${this.command}.new`, 0o755)
    // A script that is open for writing cannot be run.
    renameSync(`${this.command}.new`, this.command)
  }

  /** A file under the root that the receiver is told of. */
  file(path: string, text: string): void {
    mkdirSync(dirname(join(this.folder, 'root', path)), { recursive: true })
    writeFileSync(join(this.folder, 'root', path), text)
  }

  async start(options: Record<string, unknown> = {}): Promise<void> {
    mkdirSync(join(this.folder, 'root'), { recursive: true })
    const config = nvidiaSmi.config.parse({ command: this.command, host_name: 'node-7', root_path: join(this.folder, 'root'), ...options })
    this.receiver = nvidiaSmi.create(config, this.kit.upstream)
    await this.receiver.start?.()
    await this.clock.advance(1000)
  }

  stop(): Promise<void> {
    return this.receiver?.stop?.(AbortSignal.timeout(2000)) ?? Promise.resolve()
  }

  async close(): Promise<void> {
    await this.stop()
    rmSync(this.folder, { recursive: true, force: true })
  }

  /** The points of the n-th batch, which is waited for. */
  async points(nth = 0): Promise<MeasuredPoint[]> {
    await until(() => this.kit.out.batches.length > nth, `batch ${nth}`)
    return measured(this.kit.out.batches[nth]!)
  }

  failures(reason: string): number {
    return this.kit.meter.sum('ai_factory_gateway_collections_failed_total', { component: 'nvidia_smi', reason })
  }
  faults(reason: string): number {
    return this.kit.meter.sum('ai_factory_gateway_collection_faults_total', { component: 'nvidia_smi', reason })
  }
}
