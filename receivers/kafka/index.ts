import { OTLP_SIGNALS } from '../../proto/services.js'
import { Admission } from '../../runtime/admission.js'
import { component } from '../../runtime/component.js'
import { HEALTH } from '../../runtime/health.js'
import { kafkaClient } from '../../runtime/kafka.js'
import { DeadLetters } from './dead_letters.js'
import { type Content, Delivering } from './delivering.js'
import { Intake } from './intake.js'
import { options } from './options.js'
import { Telemetry } from './telemetry.js'

export default component({
  kind: 'receiver',
  type: 'kafka',
  summary: 'Reads traces, metrics and logs from Kafka topics, as the Collector’s Kafka exporter writes them.',
  stability: 'beta',
  signals: OTLP_SIGNALS,
  config: options,
  examples: {
    'What a Collector wrote, from the beginning': 'brokers: [localhost:9092]\ngroup_id: gateway\ninitial_offset: earliest\n',
    'What can never be delivered is kept': 'brokers: [localhost:9092]\ngroup_id: gateway\ndead_letter:\n  topic: otlp_dead_letters\n',
    'JSON from a topic of another name': 'brokers: [localhost:9092]\nlogs:\n  topics: [app-logs]\n  encoding: otlp_json\n',
  },
  create(config, context) {
    const admission = context.host.get(Admission)
    const contents = new Map<string, Content>()
    for (const signal of OTLP_SIGNALS) {
      if (context.signals && !context.signals.includes(signal)) continue
      const { topics, encoding } = config[signal]
      for (const topic of topics) contents.set(topic, { signal, encoding })
    }
    const telemetry = new Telemetry(context)
    let mend = (): void => {}
    const ended = (error: Error): void => {
      mend = context.host.get(HEALTH).failed(`${context.id} reads nothing any more: ${error.message}`)
    }
    let running: { readonly intake: Intake; readonly deadLetters: DeadLetters | undefined } | undefined
    return {
      async start() {
        const client = await kafkaClient(config, context, config.rack_id)
        const deadLetters = config.dead_letter && new DeadLetters(client, config.dead_letter.topic, context.id, context.clock)
        const { handle } = new Delivering(contents, context, config.error_backoff, telemetry, deadLetters)
        const intake = new Intake(client, [...contents.keys()], config, handle, telemetry, admission, context, ended)
        running = { intake, deadLetters }
      },
      async stop(deadline) {
        const ending = running
        running = undefined
        mend()
        await ending?.intake.stop(deadline)
        await ending?.deadLetters?.close()
      },
    }
  },
})
