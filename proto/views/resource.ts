/** Views of a Resource and of an InstrumentationScope. */
import { RESOURCE, SCOPE } from '../fields.js'
import { BYTES, Fields, readString } from '../wire.js'
import { Attributes } from './attributes.js'

/** `new ResourceView().read(group.resource)`. */
export class ResourceView {
  readonly attributes = new Attributes()
  private readonly fields = new Fields()

  /** Throws WireError. */
  read(resource: Uint8Array): this {
    this.attributes.clear(resource)
    const fields = this.fields.reset(resource)
    while (fields.next()) if (fields.number === RESOURCE.attributes) this.attributes.addField(fields)
    return this
  }
}

export class ScopeView {
  readonly attributes = new Attributes()
  private readonly fields = new Fields()
  private bytes: Uint8Array = new Uint8Array(0)
  private nameStart = 0
  private nameEnd = 0
  private versionStart = 0
  private versionEnd = 0

  clear(bytes: Uint8Array): this {
    this.bytes = bytes
    this.attributes.clear(bytes)
    this.nameStart = this.nameEnd = this.versionStart = this.versionEnd = 0
    return this
  }

  /** Adds what the InstrumentationScope `bytes[start, end)` says; one that appears twice is merged. Throws WireError. */
  add(start: number, end: number): this {
    const fields = this.fields.reset(this.bytes, start, end)
    while (fields.next()) {
      if (fields.number === SCOPE.attributes) this.attributes.addField(fields)
      else if (fields.number === SCOPE.name) {
        fields.expect(BYTES)
        this.nameStart = fields.start
        this.nameEnd = fields.end
      } else if (fields.number === SCOPE.version) {
        fields.expect(BYTES)
        this.versionStart = fields.start
        this.versionEnd = fields.end
      }
    }
    return this
  }

  name(): string {
    return readString(this.bytes, this.nameStart, this.nameEnd)
  }

  version(): string {
    return readString(this.bytes, this.versionStart, this.versionEnd)
  }
}
