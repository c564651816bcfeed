import { z } from 'zod'
import { byteSize, duration } from '../../config/options.js'
import { Collection, CollectionError, collectionOptions, type Told } from '../../runtime/collection.js'
import { component } from '../../runtime/component.js'
import { hostOptions, hostResource } from '../../runtime/host-resource.js'
import { documentOf } from './document.js'
import { EnergyMeters } from './energy.js'
import { Measure } from './measure.js'
import { Processes } from './processes.js'
import { saying, Tool } from './tool.js'

/** The power drawn is taken to go on evenly over so many intervals; over a longer gap no energy is told. */
const GAP_INTERVALS = 3
const QUERY = ['-q', '-x']

const options = z.strictObject({
  ...collectionOptions('10s'),
  command: z.string().min(1).default('nvidia-smi').describe('The tool: a name that is looked up in PATH, or a path.'),
  timeout: duration('10s').describe('A run that takes longer is killed, with what it has started.'),
  max_output: byteSize('16MiB').describe('A run that prints more is killed.'),
  process_metrics: z.boolean().default(true).describe('One series for each process on a GPU: the memory that it uses.'),
  owners: z
    .boolean()
    .default(true)
    .describe(
      'Look up by the cgroups of its processes whose a GPU is (pod, container, Slurm job). In a container that needs the host’s pid namespace and `root_path`.',
    ),
  ...hostOptions,
})

export default component({
  kind: 'receiver',
  type: 'nvidia_smi',
  summary: 'Reads GPUs, MIG devices and processes from nvidia-smi, and finds whose they are.',
  stability: 'alpha',
  signals: ['metrics'],
  config: options,
  examples: {
    'Every GPU of this host': '{}\n',
    'In a container that sees the host under /hostfs': `collection_interval: 5s
root_path: /hostfs
host_name: \${env:NODE_NAME:-gpu-node-1}
`,
    'One fixed tool, without series of processes': `command: /usr/bin/nvidia-smi
timeout: 5s
process_metrics: false
`,
  },
  create(config, context) {
    const { clock } = context
    const tool = new Tool(config, clock)
    const measure = new Measure(new Processes(config.root_path), new EnergyMeters(GAP_INTERVALS * config.collection_interval), config)
    let resource: Uint8Array | undefined
    return new Collection(config, context, async told => {
      const { text, status } = await tool.run(QUERY, told.signal)
      const at = clock.monotonic()
      const root = whole(text, status, config.command, told)
      resource ??= await hostResource(config.root_path, config.host_name)
      return (await measure.of(root, told, at)).finish(resource)
    })
  },
})

/** A tool that fails for the sake of one card often tells of the others all the same. Throws CollectionError. */
const whole = (text: string, status: number, command: string, told: Told) => {
  if (status === 0) return documentOf(text)
  const failure = `${command} ended with status ${status}`
  try {
    const root = documentOf(text)
    told.fault('exit_status', failure)
    return root
  } catch {
    throw new CollectionError(`${failure}${saying(text)}`, 'exit_status')
  }
}
