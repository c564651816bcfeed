/** What the whole card says of itself, MIG or not. */
import type { MetricShape, MetricsBuilder, PointLabels } from '../../proto/metrics-builder.js'
import { pointLabels } from '../../proto/metrics-builder.js'
import type { Section } from './document.js'
import * as shapes from './shapes.js'

const CLOCKS = ['graphics', 'sm', 'mem', 'video'] as const
const DOMAIN = { graphics: 'graphics', sm: 'sm', mem: 'memory', video: 'video' } as const

/** The tool's names of reasons, of gauges and of counters, old and new → ours, which are DCGM's. */
const REASONS: ReadonlyMap<string, string> = new Map([
  ['gpu_idle', 'gpu_idle'],
  ['applications_clocks_setting', 'clocks_setting'],
  ['sw_power_cap', 'sw_power_cap'],
  ['hw_slowdown', 'hw_slowdown'],
  ['sync_boost', 'sync_boost'],
  ['sw_thermal_slowdown', 'sw_thermal'],
  ['sw_therm_slowdown', 'sw_thermal'],
  ['hw_thermal_slowdown', 'hw_thermal'],
  ['hw_therm_slowdown', 'hw_thermal'],
  ['hw_power_brake_slowdown', 'hw_power_brake'],
  ['hw_power_brake', 'hw_power_brake'],
  ['display_clocks_setting', 'display_clocks'],
  ['display_clock_setting', 'display_clocks'],
])
const reasonOf = (element: string): string => {
  const name = element.replace(/^clocks_(?:event|throttle)_reasons?_(?:counters_)?/, '')
  return REASONS.get(name) ?? name
}

/** What `gpu_recovery_action` asks for short of a reset or a reboot. */
const DEGRADED = /^drain/i

const CORRECTED = pointLabels({ 'error.type': 'corrected' })
export const UNCORRECTED = pointLabels({ 'error.type': 'uncorrected' })
const PCIE_REPLAY = pointLabels({ 'error.type': 'pcie_replay' })
const label = (key: string, values: readonly string[]): ReadonlyMap<string, PointLabels> =>
  new Map(values.map(value => [value, pointLabels({ [key]: value })]))
const DOMAINS = label('ai_factory.gpu.clock.domain', Object.values(DOMAIN))
const TASKS = label('hw.gpu.task', ['general', 'encoder', 'decoder'])
const SENSORS = label('hw.sensor_location', ['gpu', 'memory'])
const LIMITS = label('hw.limit_type', ['high.critical', 'high.degraded'])
const DIRECTIONS = label('network.io.direction', ['receive', 'transmit'])
const CAUSES = label('ai_factory.gpu.memory.repair.cause', ['corrected', 'uncorrected'])
const STATES = label('hw.state', ['ok', 'degraded', 'failed'])

export const memory = (builder: MetricsBuilder, device: Section, base: readonly PointLabels[]): void => {
  builder.add(shapes.MEMORY_USAGE, device.number('bytes', 'fb_memory_usage/used'), base)
  builder.add(shapes.MEMORY_LIMIT, device.number('bytes', 'fb_memory_usage/total'), base)
  builder.add(shapes.MEMORY_RESERVED, device.number('bytes', 'fb_memory_usage/reserved'), base)
}

/** Everything but memory and state. Returns the power drawn, watts. */
export const ofBoard = (builder: MetricsBuilder, gpu: Section, base: readonly PointLabels[]): number | undefined => {
  const add = (shape: MetricShape, value: number | undefined, labels?: PointLabels): void =>
    builder.add(shape, value, labels ? [...base, labels] : base)
  add(shapes.UTILIZATION, gpu.number('ratio', 'utilization/gpu_util'), TASKS.get('general'))
  add(shapes.UTILIZATION, gpu.number('ratio', 'utilization/encoder_util'), TASKS.get('encoder'))
  add(shapes.UTILIZATION, gpu.number('ratio', 'utilization/decoder_util'), TASKS.get('decoder'))
  add(shapes.MEMORY_CONTROLLER, gpu.number('ratio', 'utilization/memory_util'))
  // Averages first, as power_draw is one wherever the driver knows both.
  const powers = ['gpu_power_readings', 'power_readings']
  const draws = ['average_power_draw', 'power_draw', 'instant_power_draw']
  const watts = gpu.number('watts', ...powers.flatMap(readings => draws.map(draw => `${readings}/${draw}`)))
  add(shapes.POWER, watts)
  const limits = ['enforced_power_limit', 'current_power_limit', 'power_limit']
  add(shapes.POWER_LIMIT, gpu.number('watts', ...powers.flatMap(readings => limits.map(limit => `${readings}/${limit}`))))
  add(shapes.TEMPERATURE, gpu.number('celsius', 'temperature/gpu_temp'), SENSORS.get('gpu'))
  add(shapes.TEMPERATURE, gpu.number('celsius', 'temperature/memory_temp'), SENSORS.get('memory'))
  add(shapes.TEMPERATURE_LIMIT, gpu.number('celsius', 'temperature/gpu_temp_max_threshold'), LIMITS.get('high.critical'))
  add(shapes.TEMPERATURE_LIMIT, gpu.number('celsius', 'temperature/gpu_temp_slow_threshold'), LIMITS.get('high.degraded'))
  add(shapes.TEMPERATURE_MARGIN, gpu.number('celsius', 'temperature/gpu_temp_tlimit'))
  add(shapes.FAN, gpu.number('ratio', 'fan_speed'))
  for (const clock of CLOCKS) add(shapes.CLOCK, gpu.number('hertz', `clocks/${clock}_clock`), DOMAINS.get(DOMAIN[clock]))
  throttling(gpu, add)
  errors(gpu, add)
  add(shapes.PCIE_THROUGHPUT, gpu.number('bytesPerSecond', 'pci/rx_util'), DIRECTIONS.get('receive'))
  add(shapes.PCIE_THROUGHPUT, gpu.number('bytesPerSecond', 'pci/tx_util'), DIRECTIONS.get('transmit'))
  add(shapes.PCIE_GENERATION, gpu.number('count', 'pci/pci_gpu_link_info/pcie_gen/current_link_gen'))
  add(shapes.PCIE_WIDTH, lanes(gpu.text('pci/pci_gpu_link_info/link_widths/current_link_width')))
  const state = /^P(\d+)$/.exec(gpu.text('performance_state') ?? '')?.[1]
  add(shapes.PERFORMANCE_STATE, state === undefined ? undefined : Number(state))
  return watts
}

/** `16x`. */
const lanes = (text: string | undefined): number | undefined => {
  const digits = /^(\d+)x$/.exec(text ?? '')?.[1]
  return digits === undefined ? undefined : Number(digits)
}

type Add = (shape: MetricShape, value: number | undefined, labels?: PointLabels) => void

const throttling = (gpu: Section, add: Add): void => {
  for (const [name, text] of gpu.entries('clocks_event_reasons', 'clocks_throttle_reasons')) {
    const active = text === 'Active' ? 1 : text === 'Not Active' ? 0 : undefined
    add(shapes.THROTTLE_ACTIVE, active, pointLabels({ 'ai_factory.gpu.throttle.reason': reasonOf(name) }))
  }
  const counters = 'clocks_event_reasons_counters'
  for (const [name] of gpu.entries(counters))
    add(
      shapes.THROTTLE_TIME,
      gpu.number('seconds', `${counters}/${name}`),
      pointLabels({ 'ai_factory.gpu.throttle.reason': reasonOf(name) }),
    )
}

/** Newer drivers tell SRAM and DRAM, the oldest single- and double-bit errors with a total. */
const errors = (gpu: Section, add: Add): void => {
  const total = (span: 'volatile' | 'aggregate', kind: 'correctable' | 'uncorrectable'): number | undefined => {
    const at = (name: string): string => `ecc_errors/${span}/${name}`
    const parts = [`sram_${kind}`, `dram_${kind}`, ...(kind === 'uncorrectable' ? [`sram_${kind}_parity`, `sram_${kind}_secded`] : [])]
    return gpu.sum('count', ...parts.map(at)) ?? gpu.number('count', at(kind === 'correctable' ? 'single_bit/total' : 'double_bit/total'))
  }
  add(shapes.ERRORS, total('volatile', 'correctable'), CORRECTED)
  add(shapes.ERRORS, total('volatile', 'uncorrectable'), UNCORRECTED)
  add(shapes.ERRORS, gpu.number('count', 'pci/replay_counter'), PCIE_REPLAY)
  add(shapes.LIFETIME_ERRORS, total('aggregate', 'correctable'), CORRECTED)
  add(shapes.LIFETIME_ERRORS, total('aggregate', 'uncorrectable'), UNCORRECTED)
  const [corrected, uncorrected] = [CAUSES.get('corrected'), CAUSES.get('uncorrected')]
  add(shapes.RETIRED_PAGES, gpu.number('count', 'retired_pages/multiple_single_bit_retirement/retired_count'), corrected)
  add(shapes.RETIRED_PAGES, gpu.number('count', 'retired_pages/double_bit_retirement/retired_count'), uncorrected)
  add(shapes.REMAPPED_ROWS, gpu.number('count', 'remapped_rows/remapped_row_corr'), corrected)
  add(shapes.REMAPPED_ROWS, gpu.number('count', 'remapped_rows/remapped_row_unc'), uncorrected)
  add(shapes.REMAP_PENDING, yes(gpu.text('remapped_rows/remapped_row_pending')))
  add(shapes.REMAP_FAILED, yes(gpu.text('remapped_rows/remapped_row_failure')))
}

const yes = (text: string | undefined): number | undefined => (text === 'Yes' ? 1 : text === 'No' ? 0 : undefined)

/** By what the driver asks an operator to do; undefined where it never asks. */
const stateOf = (gpu: Section): 'ok' | 'degraded' | 'failed' | undefined => {
  const asked = gpu.word('gpu_recovery_action')
  if (asked !== undefined && asked !== 'N/A') return asked === 'None' ? 'ok' : DEGRADED.test(asked) ? 'degraded' : 'failed'
  const reset = yes(gpu.text('gpu_reset_status/reset_required'))
  if (reset === undefined) return undefined
  if (reset === 1) return 'failed'
  return yes(gpu.text('gpu_reset_status/drain_and_reset_recommended')) === 1 ? 'degraded' : 'ok'
}

/** The state, with what else describes the card. */
export const status = (builder: MetricsBuilder, gpu: Section, own: PointLabels, driver: string | undefined): void => {
  const state = stateOf(gpu)
  if (state === undefined) return
  const description = pointLabels({
    'hw.vendor': 'NVIDIA',
    'hw.model': gpu.text('product_name'),
    'hw.serial_number': gpu.text('serial'),
    'hw.driver_version': driver,
    'hw.firmware_version': gpu.text('vbios_version'),
  })
  for (const [name, label] of STATES) builder.add(shapes.STATUS, name === state ? 1 : 0, [own, description, label])
}
