/** Which column of a track holds which gauge. */
import type { DeviceRole, EngineRole } from '../../proto/vocabulary/roles.js'
import { PRESENCE } from './track.js'

/** Gauge columns of a device's track; 0 is PRESENCE. */
export const DEVICE_COLUMNS: Partial<Record<DeviceRole | 'throttled', number>> = {
  'gpu.utilization': 1,
  'gpu.engine.active': 2,
  'gpu.sm.active': 3,
  'gpu.tensor.active': 4,
  'gpu.memory.used': 5,
  'gpu.memory.free': 6,
  'gpu.memory.reserved': 7,
  'gpu.memory.total': 8,
  'gpu.power': 9,
  'gpu.temperature': 10,
  throttled: 11,
  'gpu.clock.sm': 12,
}
export const DEVICE = {
  presence: PRESENCE,
  utilization: 1,
  engineActive: 2,
  smActive: 3,
  tensorActive: 4,
  used: 5,
  free: 6,
  reserved: 7,
  total: 8,
  power: 9,
  temperature: 10,
  throttled: 11,
  clock: 12,
  columns: 13,
  /** Of a device of which only its presence and its energy count. */
  presenceOnly: 1,
} as const
/** Gauge columns of an engine's track. */
export const ENGINE_COLUMNS: Partial<Record<EngineRole, number>> = { 'engine.waiting': 1, 'engine.running': 2, 'engine.kv_cache': 3 }
export const ENGINE = { waiting: 1, running: 2, kvCache: 3, columns: 4 } as const
