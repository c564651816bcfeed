/** Where each section of pipeline.yaml finds its components. */
import { exporters } from '../exporters/index.js'
import { extensions } from '../extensions/index.js'
import { processors } from '../processors/index.js'
import { receivers } from '../receivers/index.js'
import type { Component, Kind, Registry } from '../runtime/component.js'

export const KINDS = { receivers: 'receiver', processors: 'processor', exporters: 'exporter', extensions: 'extension' } as const
export type Section = keyof typeof KINDS
export const SECTIONS = Object.keys(KINDS) as Section[]

export type Registries = { readonly [S in Section]: Registry<(typeof KINDS)[S]> }
export const registries: Registries = { receivers, processors, exporters, extensions }

/** The components that a configuration names: id → component, for each section. */
export type Named = Readonly<Record<Section, ReadonlyMap<string, Component>>>

/** `otlp_http/grafana` → `otlp_http` */
export const typeOf = (id: string): string => id.split('/', 1)[0]!

const load = async (registry: Registry<Kind>, type: string): Promise<Component | undefined> =>
  Object.hasOwn(registry, type) ? (await registry[type]!()).default : undefined

/** Every component of a section, by type. */
export const loadAll = async (registry: Registry<Kind>): Promise<Component[]> =>
  Promise.all(
    Object.keys(registry)
      .toSorted()
      .map(async type => (await registry[type]!()).default),
  )

/** The component that a type or an older spelling of it names: only that one is imported, unless it is an older spelling. */
export const find = async (registry: Registry<Kind>, type: string): Promise<Component | undefined> =>
  (await load(registry, type)) ?? (await loadAll(registry)).find(component => component.aliases?.includes(type))
