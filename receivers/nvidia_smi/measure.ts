/** From the document to points. */
import type { XmlElement } from '@rgrove/parse-xml'
import { MetricsBuilder, type PointLabels, pointLabels } from '../../proto/metrics-builder.js'
import type { Told } from '../../runtime/collection.js'
import { memory, ofBoard, status, UNCORRECTED } from './board.js'
import { type Owner, ownerKey } from './cgroup.js'
import { childrenOf, Section } from './document.js'
import type { EnergyMeters } from './energy.js'
import { type GpuProcess, type Processes, soleOwner } from './processes.js'
import * as shapes from './shapes.js'

/** Points of processes in one collection: a card that is shared by more is told without the rest, and they are counted. */
const MOST_PROCESSES = 1000

const DERIVED = pointLabels({ 'ai_factory.derived_from': 'hw.power' })

const ownerLabels = ({ podUid, containerId, slurmJob, slurmStep }: Owner): PointLabels =>
  pointLabels({ 'k8s.pod.uid': podUid, 'container.id': containerId, 'slurm.job.id': slurmJob, 'slurm.step.id': slurmStep })

export class Measure {
  private readonly builder = new MetricsBuilder('ai-factory-gateway/nvidia_smi')
  private processPoints = 0

  constructor(
    private readonly processes: Processes,
    private readonly energy: EnergyMeters,
    private readonly wanted: { readonly process_metrics: boolean; readonly owners: boolean },
  ) {}

  /** `at`: monotonic time of the measurement. The points are taken from `finish`. */
  async of(root: XmlElement, told: Told, at: number): Promise<MetricsBuilder> {
    const builder = this.builder.begin(told.time)
    const unreadable = (message: string): void => told.fault('unreadable_value', message)
    this.processPoints = 0
    const { owners } = this.wanted
    const known = owners && (await this.processes.sameNamespace())
    if (owners && !known)
      told.fault(
        'pid_namespace',
        'owners of processes are not looked up: the gateway does not share the host’s pid namespace; set hostPID: true on its pod',
      )
    const driver = new Section(root, unreadable).text('driver_version')
    const devices = new Set<string>()
    for (const element of childrenOf(root, 'gpu')) {
      const gpu = new Section(element, unreadable)
      const uuid = gpu.text('uuid')
      if (uuid === undefined) {
        told.fault('unreadable_value', `the GPU at ${gpu.attribute('id') ?? 'an unknown place'} has no uuid and was left out`)
        continue
      }
      devices.add(uuid)
      await this.ofGpu(gpu, uuid, driver, known, told, at)
    }
    this.energy.keep(devices)
    return builder
  }

  private async ofGpu(gpu: Section, uuid: string, driver: string | undefined, known: boolean, told: Told, at: number): Promise<void> {
    const processes = await this.processes.of(gpu, known)
    const identity = { 'hw.id': uuid, 'hw.name': gpu.text('product_name'), 'hw.type': 'gpu' }
    const own = pointLabels(identity)
    const owner = soleOwner(processes)
    const base = owner ? [own, ownerLabels(owner)] : [own]
    const watts = ofBoard(this.builder, gpu, base)
    if (watts !== undefined) {
      const { joules, start } = this.energy.add(uuid, (owner && ownerKey(owner)) ?? '', watts, told.time, at)
      this.builder.add(shapes.ENERGY, joules, [...base, DERIVED], start)
    }
    status(this.builder, gpu, own, driver)
    const migs = gpu.sections('mig_devices', 'mig_device')
    if (migs.length === 0) memory(this.builder, gpu, base)
    else this.ofMigs(migs, identity, processes)
    if (this.wanted.process_metrics) for (const each of processes) this.ofProcess(each, identity, told)
  }

  /**
   * MIG devices. Compute instances of one GPU instance share its memory, so that each byte is told once: on the GPU instance,
   * which is called as dcgm-exporter's series of it are read, `<uuid>/<GPU instance id>`.
   */
  private ofMigs(migs: readonly Section[], gpu: Identity, processes: readonly GpuProcess[]): void {
    const seen = new Set<string>()
    for (const mig of migs) {
      const [instance, compute] = [mig.text('gpu_instance_id'), mig.text('compute_instance_id')]
      if (instance === undefined) continue
      const labels = [pointLabels(sliceOf(gpu, instance))]
      const owner = soleOwner(processes.filter(({ gpuInstance }) => gpuInstance === instance))
      if (owner) labels.push(ownerLabels(owner))
      const computeLabels = [...labels, pointLabels({ 'ai_factory.gpu.mig.compute_instance.id': compute })]
      this.builder.add(shapes.MIG_PROCESSORS, mig.number('count', 'device_attributes/shared/multiprocessor_count'), computeLabels)
      if (seen.has(instance)) continue
      seen.add(instance)
      memory(this.builder, mig, labels)
      const uncorrected = mig.number('count', 'ecc_error_count/volatile_count/sram_uncorrectable')
      this.builder.add(shapes.ERRORS, uncorrected, [...labels, UNCORRECTED])
    }
  }

  private ofProcess(each: GpuProcess, gpu: Identity, told: Told): void {
    if (each.memory === undefined) return
    if (++this.processPoints > MOST_PROCESSES) {
      told.fault('too_many_processes', `only the first ${MOST_PROCESSES} processes were told`)
      return
    }
    const identity = each.gpuInstance === undefined ? gpu : sliceOf(gpu, each.gpuInstance)
    const process = pointLabels({
      'process.pid': each.pid,
      'process.executable.name': each.program,
      'ai_factory.gpu.process.type': each.type || undefined,
      'ai_factory.gpu.mig.compute_instance.id': each.computeInstance,
    })
    this.builder.add(shapes.PROCESS_MEMORY, each.memory, [pointLabels(identity), process, ownerLabels(each.owner)])
  }
}

type Identity = Readonly<Record<string, string | undefined>>
const sliceOf = (gpu: Identity, instance: string): Identity => ({
  ...gpu,
  'hw.id': `${gpu['hw.id']}/${instance}`,
  'hw.parent': gpu['hw.id'],
  'ai_factory.gpu.mig.gpu_instance.id': instance,
})
