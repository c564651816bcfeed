import { z } from 'zod'
import { duration, secret } from '../../../config/options.js'
import { TOPIC } from '../topic.js'

export const RECORD_NAME = 'ai_factory.v1.CorrelatedEvent'

const withoutCredentials = (text: string): boolean => {
  if (!URL.canParse(text)) return true
  const { username, password } = new URL(text)
  return username === '' && password === ''
}

const registry = z
  .strictObject({
    urls: z
      .array(
        z
          .url({ protocol: /^https?$/ })
          .refine(withoutCredentials, 'a URL is shown in messages: put its credentials into username and password'),
      )
      .min(1)
      .describe('Base URLs of the registry, such as `http://localhost:8081`; the next one is asked when one does not answer.'),
    username: z.string().default('').describe('User for basic authentication; empty = none.'),
    password: secret().optional().describe('Its password; best from `${env:…}`.'),
    timeout: duration('5s').describe('Longest wait for an answer.'),
    subject_strategy: z
      .enum(['topic_name', 'record_name', 'topic_record_name'])
      .default('topic_name')
      .describe('The schema’s subject: `<topic>-value`, `ai_factory.v1.CorrelatedEvent`, or `<topic>-ai_factory.v1.CorrelatedEvent`.'),
    auto_register: z
      .boolean()
      .default(true)
      .describe('Register our schema, when it is compatible with what is there; false = it must be there already.'),
  })
  .refine(({ username, password }) => username !== '' || password === undefined, {
    error: 'a password needs its user: set username too',
    path: ['username'],
  })
export type RegistryOptions = z.infer<typeof registry>

export const eventOptions = z
  .strictObject({
    topic: z
      .string()
      .regex(TOPIC, 'a topic name is 1 to 249 letters, digits, dots, dashes and underscores')
      .default('ai_factory_events')
      .describe('Topic to write to, one record an event, its key the workload id.'),
    encoding: z
      .enum(['protobuf', 'json', 'avro'])
      .default('protobuf')
      .describe('By the published schemas events.proto and events.avsc; `json`: names as there, ids in hex.'),
    schema_registry: registry
      .optional()
      .describe('Values in Confluent’s wire format, with the id of a registered schema. Absent = a bare message; avro as single object.'),
  })
  .refine(({ encoding, schema_registry }) => encoding !== 'json' || !schema_registry, {
    error: 'json has no schema to register: choose avro or protobuf, or leave schema_registry out',
    path: ['schema_registry'],
  })
export type EventOptions = z.infer<typeof eventOptions>
