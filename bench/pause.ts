/**
 * Loaded into the measured process (`node --import`): how long its event loop stood still, told on stderr when asked by SIGUSR2.
 * A pause counts as the smaller of the time that passed and the CPU time that the process took in it: on a shared machine a process also stands
 * still because others run.
 */
const EVERY_MS = 5
let longest = 0
let wall = performance.now()
let cpu = process.cpuUsage()
setInterval(() => {
  const now = performance.now()
  const used = process.cpuUsage(cpu)
  const taken = (used.user + used.system) / 1000
  longest = Math.max(longest, Math.min(now - wall - EVERY_MS, taken))
  wall = now
  cpu = process.cpuUsage()
}, EVERY_MS).unref()

process.on('SIGUSR2', () => {
  process.stderr.write(`longest pause: ${longest.toFixed(1)} ms\n`)
  longest = 0
})

export {}
