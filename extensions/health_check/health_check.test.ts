import { createServer } from 'node:net'
import { SystemClock } from '../../runtime/clock.js'
import { harness } from '../../runtime/testing/harness.js'
import health from './index.js'
import { healthPage } from './page.js'

const never = () => new AbortController().signal

const open = (options: Record<string, unknown> = {}) => {
  const kit = harness('health_check', { clock: new SystemClock() })
  const extension = health.create(health.config.parse({ endpoint: 'localhost:0', ...options }), kit.context)
  const port = () => kit.log.lines.findLast(line => line.message === 'listening')?.fields.port
  const get = async (path: string) => {
    const response = await fetch(`http://localhost:${port()}${path}`)
    return { status: response.status, body: await response.text() }
  }
  return { ...kit, extension, get }
}

describe('health_check', () => {
  it('answers 503 before the gateway is ready, 200 while it is, and 503 while a component has failed and from the moment it stops', async () => {
    const { extension, health, get } = open()
    await extension.start?.()
    try {
      expect(await get('/')).toEqual({
        status: 503,
        body: '{"status":"Server not available","upSince":"0001-01-01T00:00:00Z","uptime":""}',
      })
      health.ready()
      const answer = await get('/ready')
      expect(answer.status).toBe(200)
      expect(JSON.parse(answer.body)).toEqual({
        status: 'Server available',
        upSince: new Date(health.readySince!).toISOString(),
        uptime: expect.stringMatching(/^[\d.]+s$/),
      })
      const mend = health.failed('the join is broken; restart the gateway')
      const failed = await get('/')
      expect([failed.status, JSON.parse(failed.body).problem]).toEqual([503, 'the join is broken; restart the gateway'])
      mend()
      expect((await get('/')).status).toBe(200)
      health.notReady()
      expect([(await get('/')).status, (await get('/ready')).status]).toEqual([503, 503])
    } finally {
      await extension.stop?.(never())
    }
  })

  it('answers at the configured path and with the configured bodies, and nowhere else', async () => {
    const { extension, health, get } = open({ path: '/health', response_body: { healthy: 'fine', unhealthy: 'ill' } })
    await extension.start?.()
    try {
      expect(await get('/health')).toEqual({ status: 503, body: 'ill' })
      health.ready()
      expect(await get('/health')).toEqual({ status: 200, body: 'fine' })
      expect((await get('/')).status).toBe(404)
    } finally {
      await extension.stop?.(never())
    }
  })

  it('cannot start on a taken port, says which, and can after it is free', async () => {
    const taken = createServer()
    await new Promise<void>(resolve => taken.listen(0, '127.0.0.1', resolve))
    const { port } = taken.address() as { port: number }
    const { extension } = open({ endpoint: `localhost:${port}` })
    await expect(extension.start?.()).rejects.toThrow(`localhost:${port}`)
    await new Promise(resolve => taken.close(resolve))
    await extension.start?.()
    await extension.stop?.(never())
  })

  it('writes the uptime as Go does', () => {
    const uptime = (ms: number) => JSON.parse(healthPage(0, ms, {}).body).uptime
    expect([250, 61_500, 3_600_000, 90_061_001].map(uptime)).toEqual(['0.25s', '1m1.5s', '1h0m0s', '25h1m1.001s'])
  })
})
