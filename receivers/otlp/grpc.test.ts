import { Client, credentials, type ServiceError } from '@grpc/grpc-js'
import { type RunningReceiver, startReceiver } from './testing/receiver.js'

const TRACES = '/opentelemetry.proto.collector.trace.v1.TraceService/Export'
const GOLDEN_TRACE = Buffer.from(
  '0a93010a150a130a0c736572766963652e6e616d6512030a0178127a0a030a017312730a105b8efff798038103d269b633813fc60c1208eee19b7ec3c1b1742a0663686174206d300339004859e3faeb6f15410012f41efbeb6f154a1f0a1967656e5f61692e75736167652e696e7075745f746f6b656e73120218644a0e0a0174120921000000000000e03f7a021802850101010000',
  'hex',
)

let receiver: RunningReceiver
let client: Client
beforeEach(async () => {
  receiver = await startReceiver({ http: null })
  client = new Client(`127.0.0.1:${receiver.grpcPort}`, credentials.createInsecure())
})
afterEach(async () => {
  client.close()
  await receiver.stop()
})

const call = (path: string, body: Buffer): Promise<Buffer> =>
  new Promise((resolve, reject) => {
    client.makeUnaryRequest(
      path,
      (b: Buffer) => b,
      (b: Buffer) => b,
      body,
      (error: ServiceError | null, value?: Buffer) => (error ? reject(error) : resolve(value as Buffer)),
    )
  })

test('a request over gRPC arrives byte for byte and is answered with an empty response', async () => {
  expect(await call(TRACES, GOLDEN_TRACE)).toHaveLength(0)
  expect(receiver.out.batches).toHaveLength(1)
  expect(Buffer.concat(receiver.out.batches[0]!.slices)).toEqual(GOLDEN_TRACE)
  expect(receiver.out.batches[0]!.metadata).toEqual({ transport: 'grpc' })
  expect(receiver.admission.admitted).toBe(0)
})
