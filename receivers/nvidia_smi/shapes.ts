/**
 * What is written. `hw.*`: OpenTelemetry semantic conventions (hardware); where they have no name, `ai_factory.*`.
 * The two that processors/workload_join reads besides `hw.*` stand in proto/vocabulary/roles.ts.
 */
import type { MetricShape } from '../../proto/metrics-builder.js'

type Options = Pick<MetricShape, 'whole'>
const shape =
  (kind: MetricShape['kind']) =>
  (name: string, unit: string, description: string, options: Options = {}): MetricShape => ({ name, unit, description, kind, ...options })
const gauge = shape('gauge')
const counter = shape('counter')
const updown = shape('updown')
const whole = { whole: true }

export const UTILIZATION = gauge('hw.gpu.utilization', '1', 'Share of the last sample period in which the engine was busy.')
export const MEMORY_USAGE = updown('hw.gpu.memory.usage', 'By', 'Memory in use.', whole)
export const MEMORY_LIMIT = updown('hw.gpu.memory.limit', 'By', 'Memory of the device.', whole)
export const POWER = gauge('hw.power', 'W', 'Power drawn, as the driver averages it.')
export const ENERGY = counter('hw.energy', 'J', 'Energy used, summed up from the power drawn: the tool has no energy counter.')
export const TEMPERATURE = gauge('hw.temperature', 'Cel', 'Temperature of a sensor.')
export const TEMPERATURE_LIMIT = gauge(
  'hw.temperature.limit',
  'Cel',
  'Temperature at which clocks are slowed down or the device is shut off.',
)
export const FAN = gauge('hw.fan.speed_ratio', '1', 'Intended fan speed as a part of the greatest.')
export const ERRORS = counter('hw.errors', '{error}', 'Errors since the driver was loaded.', whole)
export const STATUS = updown('hw.status', '1', '1 for the state that the device is in.', whole)

export const MEMORY_RESERVED = updown('ai_factory.gpu.memory.reserved', 'By', 'Memory that driver and firmware keep.', whole)
export const MEMORY_CONTROLLER = gauge(
  'ai_factory.gpu.memory_controller.utilization',
  '1',
  'Share of the last sample period in which memory was read or written; says nothing about how much is in use.',
)
export const POWER_LIMIT = gauge('ai_factory.gpu.power.limit', 'W', 'Power that the device may draw.')
export const TEMPERATURE_MARGIN = gauge('ai_factory.gpu.temperature.margin', 'Cel', 'Degrees left until clocks are slowed down.')
export const CLOCK = gauge('ai_factory.gpu.clock.frequency', 'Hz', 'Current clock.')
export const THROTTLE_ACTIVE = gauge('ai_factory.gpu.throttle.active', '1', '1 while clocks are held down for this reason.', whole)
export const THROTTLE_TIME = counter('ai_factory.gpu.throttle.time', 's', 'Time in which clocks were held down for this reason.')
export const LIFETIME_ERRORS = counter('ai_factory.gpu.ecc.lifetime.errors', '{error}', 'ECC errors in the life of the device.', whole)
export const RETIRED_PAGES = counter('ai_factory.gpu.retired_pages', '{page}', 'Memory pages taken out of use.', whole)
export const REMAPPED_ROWS = counter('ai_factory.gpu.remapped_rows', '{row}', 'Memory rows replaced by spare ones.', whole)
export const REMAP_PENDING = gauge('ai_factory.gpu.row_remap.pending', '1', '1 while a replacement waits for a reset.', whole)
export const REMAP_FAILED = gauge('ai_factory.gpu.row_remap.failed', '1', '1 once a row could not be replaced.', whole)
export const PCIE_THROUGHPUT = gauge('ai_factory.gpu.pcie.throughput', 'By/s', 'Bytes over PCIe in a window of 20 ms.')
export const PCIE_GENERATION = gauge('ai_factory.gpu.pcie.link.generation', '1', 'Generation of the PCIe link; falls when idle.', whole)
export const PCIE_WIDTH = gauge('ai_factory.gpu.pcie.link.width', '{lane}', 'Lanes of the PCIe link.', whole)
export const PERFORMANCE_STATE = gauge('ai_factory.gpu.performance_state', '1', '0 = fastest to 15 = slowest.', whole)
export const MIG_PROCESSORS = gauge('ai_factory.gpu.mig.multiprocessors', '{multiprocessor}', 'Multiprocessors of a MIG device.', whole)
export const PROCESS_MEMORY = updown('ai_factory.gpu.process.memory.usage', 'By', 'Memory of the device that a process uses.', whole)
