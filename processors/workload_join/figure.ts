/** Figures by index, as they are written on a span. */
export const FIGURE = {
  coverage: 0,
  carried: 1,
  utilization: 2,
  smActive: 3,
  memoryUtilization: 4,
  memoryUsage: 5,
  power: 6,
  temperatureMax: 7,
  throttled: 8,
  queueDepth: 9,
  running: 10,
  kvCache: 11,
  count: 12,
} as const
