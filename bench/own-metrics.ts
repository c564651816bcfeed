/** What the gateway says about itself, for figures that only it knows. */

/** Lines of its Prometheus page. */
export const ownMetrics = async (port: number): Promise<readonly string[]> =>
  (await (await fetch(`http://127.0.0.1:${port}/metrics`)).text()).split('\n')

/** Sum of the series of one name: `name`, or `name|label="value",…` for those that have these labels. */
export const sumOf = (lines: readonly string[], series: string): number => {
  let sum = 0
  for (const line of lines) if (matches(line, series)) sum += Number(line.slice(line.lastIndexOf(' ') + 1))
  return sum
}

const matches = (line: string, series: string): boolean => {
  const [name = '', labels = ''] = series.split('|')
  return line.startsWith(name) && /[ {]/.test(line[name.length] ?? '') && labels.split(',').every(label => line.includes(label))
}
