/** The processes on a GPU and whose they are. */
import { readFile, readlink } from 'node:fs/promises'
import { join } from 'node:path'
import { type Owner, ownerKey, ownerOf } from './cgroup.js'
import type { Section } from './document.js'

export interface GpuProcess {
  readonly pid: number
  /** `C` computes, `G` draws; `C+G`, `M+C` (MPS). */
  readonly type: string
  /** Name of the program without its path: arguments, which some drivers print, may hold secrets. */
  readonly program: string | undefined
  readonly gpuInstance: string | undefined
  readonly computeInstance: string | undefined
  /** Bytes. */
  readonly memory: number | undefined
  readonly owner: Owner
}

/** Holds contexts for others and belongs to nobody. */
const SERVER = 'nvidia-cuda-mps-server'

/** Reads owners; `root` is where the host's root is seen. */
export class Processes {
  constructor(private readonly root: string) {}

  /**
   * Whether the pids that a tool of ours prints are those of the /proc that is read: else a pid would be looked up as somebody else's.
   * `self` of a /proc is the reader's pid in that /proc's namespace.
   */
  async sameNamespace(): Promise<boolean> {
    try {
      return (await readlink(join(this.root, 'proc/self'))) === String(process.pid)
    } catch {
      return true
    }
  }

  /** `owners` false: nobody is looked up. */
  async of(gpu: Section, owners: boolean): Promise<GpuProcess[]> {
    const found: GpuProcess[] = []
    for (const section of gpu.sections('processes', 'process_info')) {
      const pid = section.number('count', 'pid')
      if (pid === undefined) continue
      found.push({
        pid,
        type: section.text('type') ?? '',
        program: section.text('process_name')?.split(/\s/, 1)[0]?.split(/[/\\]/).pop() || undefined,
        gpuInstance: section.text('gpu_instance_id'),
        computeInstance: section.text('compute_instance_id'),
        memory: section.number('bytes', 'used_memory'),
        owner: owners ? await this.ownerOf(pid) : {},
      })
    }
    return found
  }

  /** Nobody's where the process has ended meanwhile, or is another namespace's. */
  private async ownerOf(pid: number): Promise<Owner> {
    try {
      return ownerOf(await readFile(join(this.root, 'proc', String(pid), 'cgroup'), 'utf8'))
    } catch {
      return {}
    }
  }
}

/** Whose alone a device is by the processes that compute on it; undefined when it is nobody's, shared, or one of them is not known. */
export const soleOwner = (processes: readonly GpuProcess[]): Owner | undefined => {
  const computing = processes.filter(({ type, program }) => type !== 'G' && program !== SERVER)
  const keys = new Set(computing.map(({ owner }) => ownerKey(owner)))
  if (keys.size !== 1 || keys.has(undefined)) return undefined
  const [first, ...others] = computing.map(({ owner }) => owner)
  // Of what they have in common only: a pod of two containers is one owner, without a container.
  const common = <K extends keyof Owner>(key: K) => (others.every(other => other[key] === first?.[key]) ? first?.[key] : undefined)
  return present({
    podUid: common('podUid'),
    containerId: common('containerId'),
    slurmJob: common('slurmJob'),
    slurmStep: common('slurmStep'),
  })
}

const present = (owner: { readonly [K in keyof Owner]: Owner[K] | undefined }): Owner =>
  Object.fromEntries(Object.entries(owner).filter(([, value]) => value !== undefined))
