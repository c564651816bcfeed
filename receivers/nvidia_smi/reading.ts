/** Values as nvidia-smi prints them: a number with its unit, a word, or one of many ways to say "nothing". */

/** What the tool says instead of a value. Source: captures of drivers 418 to 610, and the strings of nvmlErrorString. */
const NOTHING =
  /^\[?(N\/A|Not Supported|Unknown Error|Unknown|GPU requires reset|GPU is lost|Insufficient Permissions|No Permission|Not Found|None|ERR!|Requested functionality has been deprecated)\]?$/i

/** Unit of the tool → factor to the unit we write (By, W, Cel, Hz, s, By/s, 1). */
const FACTORS: ReadonlyMap<string, number> = new Map([
  ['', 1],
  ['%', 0.01],
  ['B', 1],
  ['KiB', 2 ** 10],
  ['MiB', 2 ** 20],
  ['GiB', 2 ** 30],
  ['W', 1],
  ['mW', 1e-3],
  ['C', 1],
  ['MHz', 1e6],
  ['ns', 1e-9],
  ['us', 1e-6],
  ['ms', 1e-3],
  ['s', 1],
  ['KB/s', 1e3],
  ['MB/s', 1e6],
])

/** What a value is measured in, and how the tool may write it. A number in any other unit is not taken. */
export const DIMENSIONS = {
  ratio: ['%'],
  bytes: ['B', 'KiB', 'MiB', 'GiB'],
  watts: ['W', 'mW'],
  celsius: ['C'],
  hertz: ['MHz'],
  seconds: ['ns', 'us', 'ms', 's'],
  bytesPerSecond: ['KB/s', 'MB/s'],
  count: [''],
} as const
export type Dimension = keyof typeof DIMENSIONS

const NUMBER = /^(-?\d+(?:\.\d+)?)\s*(\S*)$/

export const isNothing = (text: string): boolean => text === '' || NOTHING.test(text)

/** The number in our unit; undefined = the tool says that there is none; `unreadable` = it says something else. */
export const reading = (text: string, dimension: Dimension): number | undefined | 'unreadable' => {
  if (isNothing(text)) return undefined
  const [, digits, unit] = NUMBER.exec(text) ?? []
  if (digits === undefined || unit === undefined || !(DIMENSIONS[dimension] as readonly string[]).includes(unit)) return 'unreadable'
  // Division where it is exact: 63 % is 0.63, not 0.6300000000000001.
  const factor = FACTORS.get(unit)!
  return factor < 1 ? Number(digits) / Math.round(1 / factor) : Number(digits) * factor
}
