import type { Batch } from '../../proto/batch.js'
import { LogCursor, type LogView } from '../../proto/views/logs.js'
import { ResourceView } from '../../proto/views/resource.js'
import { attributeLines, attributesInLine, scopeLines, time, typedValue, valueText, words } from './text.js'

export const normalLogs = (batch: Batch): string[] => {
  const lines: string[] = []
  const logs = new LogCursor()
  batch.groups.forEach((group, index) => {
    lines.push(words(`ResourceLog #${index}`, attributesInLine(new ResourceView().read(group.resource).attributes)))
    logs.over(group.rest)
    let scope = -1
    while (logs.next()) {
      if (logs.scopeIndex !== scope) lines.push(words(`ScopeLog #${(scope = logs.scopeIndex)}`, logs.scope.name()))
      lines.push(words(valueText(logs.record.body()), attributesInLine(logs.record.attributes)))
    }
  })
  return lines
}

export const detailedLogs = (batch: Batch): string[] => {
  const lines: string[] = []
  const logs = new LogCursor()
  batch.groups.forEach((group, index) => {
    lines.push(`ResourceLog #${index}`, ...attributeLines('Resource attributes', new ResourceView().read(group.resource).attributes))
    logs.over(group.rest)
    let scope = -1
    let number = 0
    while (logs.next()) {
      if (logs.scopeIndex !== scope) {
        number = 0
        lines.push(`ScopeLogs #${(scope = logs.scopeIndex)}`, ...scopeLines(logs.scope))
      }
      lines.push(`LogRecord #${number++}`, ...recordLines(logs.record))
    }
  })
  return lines
}

const recordLines = (record: LogView): string[] => [
  `ObservedTimestamp: ${time(record.observedNanos)}`,
  `Timestamp: ${time(record.timeNanos)}`,
  `SeverityText: ${record.severityText()}`,
  `SeverityNumber: ${record.severityNumber}`,
  ...(record.eventName() === '' ? [] : [`EventName: ${record.eventName()}`]),
  `Body: ${typedValue(record.body())}`,
  ...attributeLines('Attributes', record.attributes),
  `Trace ID: ${record.traceId()}`,
  `Span ID: ${record.spanId()}`,
  `Flags: ${record.flags}`,
]
