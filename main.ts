#!/usr/bin/env node
/** The program: command line → configuration → graph → run → signals. */
import { main } from './cli/main.js'

// Whoever read our output has gone (`… | head`): there is nobody left to tell, and no reason to stop a running gateway.
process.stdout.on('error', () => {})
process.stderr.on('error', () => {})

main(process.argv.slice(2), { out: text => process.stdout.write(text), err: text => process.stderr.write(text) }).then(code => {
  // An empty write comes back when everything before it has left, also through a pipe.
  process.stdout.write('', () => process.stderr.write('', () => process.exit(code)))
})
