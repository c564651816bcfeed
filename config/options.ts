/**
 * Option types that components share. Each one is a zod schema that reads what a person writes (`5s`, `64MiB`) and gives what code needs,
 * carries what an editor needs for its JSON Schema, and names what was expected when the text is wrong.
 */
import { z } from 'zod'

const UNIT_MS: Readonly<Record<string, number>> = { ns: 1e-6, us: 1e-3, µs: 1e-3, μs: 1e-3, ms: 1, s: 1e3, m: 6e4, h: 3.6e6 }
const DURATION_PART = /(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)/y

/** Milliseconds of a Go duration: `1h2m3s`, `1.5h`, `200ms`, `0`. Undefined when the text is none; there are no negative ones. */
export const parseDuration = (text: string): number | undefined => {
  if (text === '0') return 0
  let total = 0
  DURATION_PART.lastIndex = 0
  while (DURATION_PART.lastIndex < text.length) {
    const part = DURATION_PART.exec(text)
    if (!part) return undefined
    total += Number(part[1]) * UNIT_MS[part[2]!]!
  }
  return text.length > 0 && Number.isFinite(total) ? total : undefined
}

const UNIT_BYTES: Readonly<Record<string, number>> = {
  '': 1,
  B: 1,
  kB: 1e3,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
}
const BYTE_SIZE = /^(\d+(?:\.\d+)?) ?([kKMGT]?i?B|)$/

/** Whole bytes of `64MiB`, `10 GB`, `1.5GiB` or `4096`. Undefined when the text is no size. */
export const parseByteSize = (text: string): number | undefined => {
  const [, amount, unit] = BYTE_SIZE.exec(text) ?? []
  const factor = unit === undefined ? undefined : UNIT_BYTES[unit]
  if (amount === undefined || factor === undefined) return undefined
  const bytes = Math.round(Number(amount) * factor)
  return Number.isSafeInteger(bytes) ? bytes : undefined
}

/** Host and port of `localhost:4317`, `[::1]:4317` or `:4317` (every address). Undefined when the text is neither. */
export const parseEndpoint = (text: string): { host: string; port: number } | undefined => {
  const [, bracketed, plain, digits] = /^(?:\[([0-9A-Fa-f:.%\w]+)\]|([^\s:/[\]]*)):(\d{1,5})$/.exec(text) ?? []
  const port = Number(digits)
  if (digits === undefined || port > 65_535) return undefined
  return { host: bracketed ?? plain ?? '', port }
}

interface Shape {
  /** Completes "expected …" in messages. */
  readonly expected: string
  /** JSON Schema keywords of what may be written. */
  readonly schema: Record<string, unknown>
}

/** A schema that reads a text or a number with `parse`; undefined from `parse` means "not one". */
const readAs = <T>(shape: Shape, parse: (written: string | number) => T | undefined) =>
  z
    .unknown()
    .meta(shape.schema)
    .transform((written, context): T => {
      const value = typeof written === 'string' || typeof written === 'number' ? parse(written) : undefined
      if (value !== undefined) return value
      context.addIssue({ code: 'invalid_type', expected: shape.expected, input: written, continue: false })
      return z.NEVER
    })

const makeDuration = () =>
  readAs(
    {
      expected: 'a duration such as "5s", "200ms" or "1h30m"',
      schema: {
        type: ['string', 'integer'],
        pattern: '^(0|((\\d+(\\.\\d*)?|\\.\\d+)(ns|us|µs|μs|ms|s|m|h))+)$',
        examples: ['5s', '200ms', '1h30m'],
      },
    },
    written => (typeof written === 'number' ? (written === 0 ? 0 : undefined) : parseDuration(written.trim())),
  )

const makeByteSize = () =>
  readAs(
    {
      expected: 'a size such as "64MiB", "10GB" or a whole number of bytes',
      schema: { type: ['string', 'integer'], pattern: '^\\d+(\\.\\d+)? ?([kKMGT]?i?B)?$', examples: ['64MiB', '10GB', 4096] },
    },
    written => parseByteSize(typeof written === 'number' ? String(written) : written.trim()),
  )

const makeEndpoint = () =>
  readAs(
    {
      expected: 'host:port such as "localhost:4317" or "0.0.0.0:4317"',
      schema: { type: 'string', pattern: '^.*:\\d{1,5}$', examples: ['localhost:4317'] },
    },
    written => (typeof written === 'string' && parseEndpoint(written) ? written : undefined),
  )

const makeUrl = () =>
  readAs(
    {
      expected: 'a URL such as "https://collector.example.com:4318"',
      schema: { type: 'string', pattern: '^https?://', examples: ['https://collector.example.com:4318'] },
    },
    written => (typeof written === 'string' && /^https?:\/\/[^/\s]/.test(written) && URL.canParse(written) ? written : undefined),
  )

type Duration = ReturnType<typeof makeDuration>
type ByteSize = ReturnType<typeof makeByteSize>
type Endpoint = ReturnType<typeof makeEndpoint>
type Url = ReturnType<typeof makeUrl>

/** A time span in Go's syntax (a bare `0` is allowed, other bare numbers are not) → milliseconds. Without `fallback` the option is required. */
export function duration(): Duration
export function duration(fallback: string): z.ZodPrefault<Duration>
export function duration(fallback?: string) {
  return fallback === undefined ? makeDuration() : makeDuration().prefault(fallback)
}

/** `64MiB` (powers of 1,024), `10GB` (powers of 1,000) or plain bytes → bytes. Without `fallback` the option is required. */
export function byteSize(): ByteSize
export function byteSize(fallback: string): z.ZodPrefault<ByteSize>
export function byteSize(fallback?: string) {
  return fallback === undefined ? makeByteSize() : makeByteSize().prefault(fallback)
}

/** Where to listen or connect: `host:port`, kept as text (`parseEndpoint` takes it apart). Without `fallback` the option is required. */
export function endpoint(): Endpoint
export function endpoint(fallback: string): z.ZodPrefault<Endpoint>
export function endpoint(fallback?: string) {
  return fallback === undefined ? makeEndpoint() : makeEndpoint().prefault(fallback)
}

/** An http or https URL, kept as text. Without `fallback` the option is required. */
export function url(): Url
export function url(fallback: string): z.ZodPrefault<Url>
export function url(fallback?: string) {
  return fallback === undefined ? makeUrl() : makeUrl().prefault(fallback)
}

/** A text that no message and no `print-config` ever shows. */
export const secret = () => z.string().meta({ secret: true, writeOnly: true })

/** Header name → value. Values are secrets: credentials travel in headers. */
export const headers = () => z.record(z.string(), secret())
