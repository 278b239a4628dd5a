/** Who is asking: made from a session or a service token by the access feature, trusted everywhere inside. */
import type { Role } from '@patrolhub/protocol'
import type { Subject } from './decide.ts'

export interface Principal extends Subject {
  userId: string
  username: string
  displayName: string
  role: Role
  roleName: string
  /** Division code; covers every region whose code starts with it. */
  scope: string
  teamIds: readonly string[]
  /** Hash of the session's token: names the session without being able to use it. */
  sessionHash: string
  mustChangePassword: boolean
  hasSecondFactor: boolean
  /** The role needs a second factor and there is none yet. */
  mustEnrolSecondFactor: boolean
  /** When it was found out who this is, wall clock: what decisions about duty and hours go by. */
  askedAtMs: number
}
