/**
 * The Collector's metrics about its process. `otelcol_process_runtime_total_alloc_bytes` is left out: V8 does not count what it has ever allocated,
 * and a number that means something else would be worse than none.
 */
import { getHeapStatistics } from 'node:v8'
import type { Clock } from '../component.js'
import type { Registry } from './registry.js'

export const processMetrics = (registry: Registry, clock: Clock): void => {
  const started = clock.monotonic()
  registry.observedCounter('otelcol_process_uptime', 'Uptime of the process [Alpha]', {}, () => (clock.monotonic() - started) / 1_000)
  registry.observedCounter('otelcol_process_cpu_seconds', 'Total CPU user and system time in seconds [Alpha]', {}, () => {
    const { user, system } = process.cpuUsage()
    return (user + system) / 1e6
  })
  registry.gauge('otelcol_process_memory_rss', 'Total physical memory (resident set size) [Alpha]', {}, () => process.memoryUsage.rss())
  registry.gauge(
    'otelcol_process_runtime_heap_alloc_bytes',
    "Bytes of allocated heap objects (see 'go doc runtime.MemStats.HeapAlloc') [Alpha]",
    {},
    () => {
      const { used_heap_size, external_memory } = getHeapStatistics()
      return used_heap_size + external_memory
    },
  )
  registry.gauge(
    'otelcol_process_runtime_total_sys_memory_bytes',
    "Total bytes of memory obtained from the OS (see 'go doc runtime.MemStats.Sys') [Alpha]",
    {},
    () => {
      const { total_heap_size, external_memory, malloced_memory } = getHeapStatistics()
      return total_heap_size + external_memory + malloced_memory
    },
  )
}
