/** What resources and items say of themselves, and a memory of what followed from it: rules run once a distinct text. */
import { KeySet } from '../../proto/views/attributes.js'
import type { ItemView } from '../../proto/views/item.js'
import { ResourceView } from '../../proto/views/resource.js'
import { namesOf } from '../../proto/vocabulary/roles.js'
import { SPELLINGS } from './spellings.js'

/** How a device, a MIG slice of it and a time-sliced part of it show on a series. */
export const DEVICE = {
  uuid: namesOf('uuid'),
  slice: 'GPU_I_ID',
  profile: 'GPU_I_PROFILE',
  model: 'modelName',
  virtual: 'vgpu',
  host: namesOf('host'),
} as const
/** Marks of a call to a model: only such client spans belong to what they call; a database call belongs to its caller. */
export const MODEL_CALL = ['gen_ai.operation.name', 'gen_ai.request.model', 'gen_ai.provider.name', 'gen_ai.system', 'llm.model_name']
const TARGET = ['server.address', 'server.port', 'net.peer.name', 'net.peer.port']

/** A client span's attributes that decide. */
export const CALL_NAMES = [...SPELLINGS.explicit, ...MODEL_CALL, ...TARGET]
/** A data point's. */
export const POINT_NAMES = [
  ...Object.values(SPELLINGS).flat(),
  ...DEVICE.uuid,
  ...DEVICE.host,
  DEVICE.slice,
  DEVICE.profile,
  DEVICE.model,
  DEVICE.virtual,
]

/** Longest signature; an item that says more is decided anew each time. */
const SIGNATURE_BYTES = 4096

/** The few attributes of an item that decide, found in one pass and compared as bytes. */
export class ItemFacts {
  private readonly names: readonly string[]
  private readonly keys: KeySet
  private readonly found: Int32Array
  readonly signature = new Uint8Array(SIGNATURE_BYTES)
  /** Bytes of `signature` in use; 1 = the item says nothing; 0 = it says more than fits. */
  length = 0

  constructor(names: readonly string[]) {
    this.names = [...new Set(names)]
    this.keys = new KeySet(this.names)
    this.found = new Int32Array(this.names.length)
  }

  /** Equal signatures: the items say the same, under the same `salt` (0 to 255). Throws WireError. */
  read({ attributes }: ItemView, salt: number): this {
    const { signature, found } = this
    attributes.findAll(this.keys, found)
    signature[0] = salt
    let at = 1
    for (let key = 0; key < found.length; key++) {
      const index = found[key]!
      if (index < 0) continue
      if (at + 4 > SIGNATURE_BYTES) return this.tooLong()
      signature[at] = key
      const end = attributes.copyValue(index, signature, at + 3)
      if (end < 0) return this.tooLong()
      const length = end - at - 3
      signature[at + 1] = length & 0xff
      signature[at + 2] = length >> 8
      at = end
    }
    this.length = at
    return this
  }

  private tooLong(): this {
    this.length = 0
    return this
  }

  /** What the item read last says, as text. */
  texts({ attributes }: ItemView): Map<string, string> {
    const texts = new Map<string, string>()
    this.found.forEach((index, key) => {
      if (index >= 0) texts.set(this.names[key]!, attributes.value(index).text())
    })
    return texts
  }
}

interface Remembered<T> {
  readonly signature: Uint8Array
  readonly value: T
  readonly next: Remembered<T> | undefined
}

/** Signature → value. */
export class Memory<T> {
  private readonly byHash = new Map<number, Remembered<T>>()

  get({ signature, length }: ItemFacts): T | undefined {
    for (let entry = this.byHash.get(hashOf(signature, length)); entry; entry = entry.next) {
      if (entry.signature.length !== length) continue
      let at = 0
      while (at < length && entry.signature[at] === signature[at]) at++
      if (at === length) return entry.value
    }
    return undefined
  }

  set({ signature, length }: ItemFacts, value: T): void {
    if (length === 0) return
    const hash = hashOf(signature, length)
    this.byHash.set(hash, { signature: signature.slice(0, length), value, next: this.byHash.get(hash) })
  }
}

/** FNV-1a. */
const hashOf = (bytes: Uint8Array, length: number): number => {
  let hash = 0x811c9dc5
  for (let at = 0; at < length; at++) hash = Math.imul(hash ^ bytes[at]!, 0x01000193)
  return hash
}

/** Every attribute of a resource as text. Throws WireError. */
export const resourceTexts = (resource: Uint8Array): Map<string, string> => {
  const { attributes } = new ResourceView().read(resource)
  const texts = new Map<string, string>()
  for (let index = 0; index < attributes.length; index++) texts.set(attributes.key(index), attributes.value(index).text())
  return texts
}
