/** What the group has decided and the engine has not heard yet. */
import type { Assignment } from '../driver.js'

export class News {
  private readonly assigned = new Map<number, Assignment>()
  private readonly revoked = new Set<number>()
  /** Partitions that the engine believes to be its own. */
  private readonly known = new Set<number>()

  get any(): boolean {
    return this.assigned.size > 0 || this.revoked.size > 0
  }

  assign(assignment: Assignment): void {
    this.assigned.set(assignment.partition, assignment)
  }

  revoke(partition: number): void {
    this.assigned.delete(partition)
    if (this.known.has(partition)) this.revoked.add(partition)
  }

  take(): { assigned: Assignment[]; revoked: number[] } {
    const assigned = [...this.assigned.values()]
    const revoked = [...this.revoked]
    this.assigned.clear()
    this.revoked.clear()
    for (const partition of revoked) this.known.delete(partition)
    for (const { partition } of assigned) this.known.add(partition)
    return { assigned, revoked }
  }

  /** Whether what the engine says of the partition is about the owner it is now. */
  heard(partition: number): boolean {
    return this.known.has(partition) && !this.revoked.has(partition) && !this.assigned.has(partition)
  }
}
