/** Who is asking: made from a session by the access feature, trusted everywhere inside. */
import type { Role } from '@patrolhub/protocol'

export interface Principal {
  userId: string
  username: string
  displayName: string
  role: Role
  /** Division code; covers every region whose code starts with it. */
  scope: string
  teamIds: readonly string[]
  /** Hash of the session's token: names the session without being able to use it. */
  sessionHash: string
  mustChangePassword: boolean
}
