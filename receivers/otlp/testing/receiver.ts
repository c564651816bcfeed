/** The receiver on free ports of this machine, with everything it hands on kept for the test to read. */
import { Admission, MemoryAdmission } from '../../../runtime/admission.js'
import { SystemClock } from '../../../runtime/clock.js'
import type { Lifecycle } from '../../../runtime/component.js'
import { TokenMap } from '../../../runtime/host.js'
import { TestLog } from '../../../runtime/testing/log.js'
import { TestMeter } from '../../../runtime/testing/meter.js'
import { Recorder } from '../../../runtime/testing/recorder.js'
import otlp from '../index.js'

export interface RunningReceiver {
  readonly instance: Lifecycle
  readonly grpcPort: number
  readonly httpPort: number
  readonly out: Recorder
  readonly log: TestLog
  readonly meter: TestMeter
  readonly admission: MemoryAdmission
  /** Requests refused for `reason`. */
  refused(reason: string): number
  stop(): Promise<void>
}

export interface ReceiverSettings {
  readonly grpc?: Record<string, unknown> | null
  readonly http?: Record<string, unknown> | null
  readonly budget?: number
}

/** Starts it with both transports unless one is null; `budget` is what may be admitted at once. */
export const startReceiver = async ({ grpc = {}, http = {}, budget = 512 << 20 }: ReceiverSettings = {}): Promise<RunningReceiver> => {
  const clock = new SystemClock()
  const log = new TestLog()
  const meter = new TestMeter()
  const out = new Recorder(true)
  const admission = new MemoryAdmission(clock, budget)
  const protocols = {
    ...(grpc && { grpc: { endpoint: '127.0.0.1:0', ...grpc } }),
    ...(http && { http: { endpoint: '127.0.0.1:0', ...http } }),
  }
  const host = new TokenMap().put(Admission, admission)
  const instance = otlp.create(otlp.config.parse({ protocols }), { id: 'otlp', log, meter, clock, host, next: out.consume })
  await instance.start?.()
  const portOf = (protocol: string): number =>
    Number(log.lines.findLast(line => line.message === 'listening' && line.fields.protocol === protocol)?.fields.port ?? 0)
  return {
    instance,
    grpcPort: portOf('grpc'),
    httpPort: portOf('http'),
    out,
    log,
    meter,
    admission,
    refused: reason => meter.sum('ai_factory_gateway_receiver_refused_requests_total', { reason }),
    stop: async () => instance.stop?.(AbortSignal.timeout(5_000)),
  }
}
