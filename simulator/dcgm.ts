/** What dcgm-exporter prints for the GPUs of a node. Names, types, help and labels: NVIDIA/dcgm-exporter etc/default-counters.csv and rendermetrics. */
import type { Family } from '../proto/exposition/read.js'
import type { Gpu } from './gpu.js'

interface Row {
  name: string
  type: 'gauge' | 'counter'
  help: string
  value: (gpu: Gpu) => number
}

const ROWS: readonly Row[] = [
  {
    name: 'DCGM_FI_DEV_SM_CLOCK',
    type: 'gauge',
    help: 'SM clock frequency (in MHz).',
    value: gpu => (gpu.utilisation > 0.01 ? 1980 : 345),
  },
  { name: 'DCGM_FI_DEV_GPU_TEMP', type: 'gauge', help: 'GPU temperature (in C).', value: gpu => Math.round(gpu.celsius) },
  { name: 'DCGM_FI_DEV_POWER_USAGE', type: 'gauge', help: 'Power draw (in W).', value: gpu => round(gpu.watts, 3) },
  {
    name: 'DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION',
    type: 'counter',
    help: 'Total energy consumption since boot (in mJ).',
    value: gpu => Math.round(gpu.joules * 1000),
  },
  { name: 'DCGM_FI_DEV_GPU_UTIL', type: 'gauge', help: 'GPU utilization (in %).', value: gpu => Math.round(gpu.utilisation * 100) },
  {
    name: 'DCGM_FI_DEV_FB_FREE',
    type: 'gauge',
    help: 'Framebuffer memory free (in MiB).',
    value: gpu => gpu.spec.memoryMiB - 600 - gpu.memoryUsedMiB,
  },
  { name: 'DCGM_FI_DEV_FB_USED', type: 'gauge', help: 'Framebuffer memory used (in MiB).', value: gpu => gpu.memoryUsedMiB },
  { name: 'DCGM_FI_DEV_FB_RESERVED', type: 'gauge', help: 'Framebuffer memory reserved (in MiB).', value: () => 600 },
  { name: 'DCGM_FI_DEV_XID_ERRORS', type: 'gauge', help: 'Value of the last XID error encountered.', value: () => 0 },
  {
    name: 'DCGM_FI_DEV_THERMAL_VIOLATION',
    type: 'counter',
    help: 'Throttling duration due to thermal constraints (in ns).',
    value: gpu => Math.round(gpu.throttledSeconds * 1e9),
  },
  {
    name: 'DCGM_FI_PROF_GR_ENGINE_ACTIVE',
    type: 'gauge',
    help: 'Ratio of time the graphics engine is active.',
    value: gpu => round(gpu.utilisation, 6),
  },
  {
    name: 'DCGM_FI_PROF_SM_ACTIVE',
    type: 'gauge',
    help: 'The ratio of cycles an SM has at least 1 warp assigned.',
    value: gpu => round(gpu.smActive, 6),
  },
  {
    name: 'DCGM_FI_PROF_PIPE_TENSOR_ACTIVE',
    type: 'gauge',
    help: 'Ratio of cycles the tensor (HMMA) pipe is active.',
    value: gpu => round(gpu.tensorActive, 6),
  },
  {
    name: 'DCGM_FI_PROF_DRAM_ACTIVE',
    type: 'gauge',
    help: 'Ratio of cycles the device memory interface is active.',
    value: gpu => round(gpu.dramActive, 6),
  },
]

const round = (value: number, digits: number): number => Number(value.toFixed(digits))

/** Owner labels are there on every series, empty on a GPU nobody owns. */
const labelsOf = (gpu: Gpu) =>
  Object.entries({
    gpu: String(gpu.index),
    UUID: gpu.uuid,
    pci_bus_id: `00000000:${(0x10 + gpu.index * 9).toString(16).toUpperCase().padStart(2, '0')}:00.0`,
    device: `nvidia${gpu.index}`,
    modelName: gpu.spec.model,
    Hostname: gpu.host,
    container: gpu.owner?.container ?? '',
    namespace: gpu.owner?.namespace ?? '',
    pod: gpu.owner?.pod ?? '',
  }).map(([name, value]) => ({ name, value }))

export const dcgmFamilies = (gpus: readonly Gpu[]): Family[] =>
  ROWS.map(({ name, type, help, value }) => ({
    name,
    type,
    help,
    samples: gpus.map(gpu => ({ name, labels: labelsOf(gpu), value: value(gpu) })),
  }))
