/**
 * Every error that the hub answers with or stops for. The code is stable; `docs/ref/errors.md` is generated from this
 * catalogue and a test keeps them equal. Add yours here, in alphabetical order.
 */
interface ErrorKind {
  /** HTTP status, or 0 for an error that is never an HTTP answer. */
  status: number
  /** What it means and what to do, for the reference page. */
  help: string
}

export const HUB_ERRORS = {
  HUB_AUDIT_BROKEN: {
    status: 0,
    help: 'The record of who did what has been changed or cut; the message names the first entry or seal that does not fit.',
  },
  HUB_AUDIT_FILE: {
    status: 0,
    help: 'The export of the record cannot be written or read; the message names the file and says why.',
  },
  HUB_BACKUP: {
    status: 0,
    help: 'The backup could not be made; what lies in its folder is not complete. The message says why.',
  },
  HUB_BAD_CREDENTIALS: { status: 401, help: 'User name or password is wrong, or the account is disabled.' },
  HUB_BAD_REQUEST: { status: 400, help: 'The request does not fit its schema; `details` names each place.' },
  HUB_BROKER: {
    status: 502,
    help: 'The MQTT broker is away or did not do what the hub asked, so nothing was changed; the message says why.',
  },
  HUB_CONFIG: { status: 0, help: 'A setting is unknown or wrong; every problem is listed with its place.' },
  HUB_CONFLICT: {
    status: 409,
    help: 'The thing has changed meanwhile or is in a state that does not allow this.',
  },
  HUB_CSRF: {
    status: 403,
    help: 'A request that changes something has to carry the header `x-patrolhub: 1`, which no foreign page can send; a sign-in has to come from a page of this hub (behind a proxy that gives another `Host`: PATROLHUB_TRUST_PROXY).',
  },
  HUB_DATABASE: {
    status: 0,
    help: 'The relational database cannot be opened or brought up to date; the message says which file and why.',
  },
  HUB_DATABASE_NEWER: {
    status: 0,
    help: 'A newer version of the hub has written this database: start that version, or restore an older backup.',
  },
  HUB_DATA_DIR: { status: 0, help: 'The data folder cannot be made or written; the message says why.' },
  HUB_EVIDENCE_DAMAGED: {
    status: 500,
    help: 'The stored file no longer has the content that was recorded: look at the disk, restore it from a backup.',
  },
  HUB_EVIDENCE_DELETED: {
    status: 410,
    help: 'The time to keep this evidence was over (evidenceKeepDays) and its incident was not held; its record is kept.',
  },
  HUB_EVIDENCE_FORMAT: {
    status: 415,
    help: 'The content is of a kind that is not taken, or is not what its content type says.',
  },
  HUB_EVIDENCE_HASH: {
    status: 400,
    help: 'The bytes that arrived do not have the announced SHA-256: send them again.',
  },
  HUB_EVIDENCE_OFFSET: {
    status: 412,
    help: 'The upload goes on from a place that the hub has not reached: ask how much it has, or begin anew.',
  },
  HUB_EVIDENCE_TOO_LARGE: {
    status: 413,
    help: 'The content is larger than the size that the message names.',
  },
  HUB_EXPORT_GONE: {
    status: 410,
    help: 'The package is not on the disk of this hub: it was removed, or another hub made it that is away. Export again.',
  },
  HUB_FORBIDDEN: { status: 403, help: 'The role does not have the permission that this needs.' },
  HUB_GRANT_ENDED: {
    status: 403,
    help: 'The grant has expired or was revoked or refused: ask for a new one.',
  },
  HUB_GRANT_KIND: {
    status: 403,
    help: 'A grant is for live video or for a span of history; this one is for the other: ask for one that fits.',
  },
  HUB_GRANT_PENDING: { status: 409, help: 'The grant waits for a second person to approve it.' },
  HUB_GRANT_POLICY: {
    status: 422,
    help: 'The policy for this camera asks for more than the request gives; `details` names it.',
  },
  HUB_HISTORY_FORMAT: {
    status: 415,
    help: 'What was recorded is in a format that cannot be played (H.265). A clip of it can still be exported.',
  },
  HUB_HISTORY_NONE: {
    status: 404,
    help: 'Nothing of that time is recorded: the camera is not recorded or was away, or it has been overwritten.',
  },
  HUB_INTERNAL: { status: 500, help: 'A fault of the hub; the log has it under the request id.' },
  HUB_LOCKED: { status: 0, help: 'Another hub runs on this data folder: stop it or choose another folder.' },
  HUB_MEDIA: {
    status: 503,
    help: 'The media server inside the hub does not run; it is started again by itself. The log says why.',
  },
  HUB_MUST_CHANGE_PASSWORD: { status: 403, help: 'The one-time password has to be replaced first.' },
  HUB_MUST_ENROL: { status: 403, help: 'The role needs a second factor, which has to be set up first.' },
  HUB_NOT_FOUND: { status: 404, help: 'There is no such thing, or it lies outside the scope of the caller.' },
  HUB_NOT_SIGNED_IN: { status: 401, help: 'No session, or it has ended: sign in.' },
  HUB_OIDC: {
    status: 502,
    help: "The centre's sign-in (OpenID Connect) cannot be reached or answered something that does not fit; the log says what.",
  },
  HUB_OIDC_REFUSED: {
    status: 403,
    help: "The centre's sign-in knows the person, but they have no account or no role here; the message says which setting decides.",
  },
  HUB_OUT_OF_SCOPE: {
    status: 403,
    help: 'The region named in the request lies outside the scope of the caller.',
  },
  HUB_PLATES: {
    status: 0,
    help: 'The stored plates could not be looked through, or that was stopped; what is done stays done, and running it again goes on. The message says why.',
  },
  HUB_PLATE_BROKEN: {
    status: 500,
    help: 'A stored plate does not open with the key of its version: it was changed, or an edge has another key under that version.',
  },
  HUB_PLATE_KEY: {
    status: 503,
    help: 'The hub does not have the key that is needed for plates; the message names the version, or the setting that is missing.',
  },
  HUB_PLATE_LIMIT: {
    status: 429,
    help: 'The account has read as many plates in clear within an hour as it may (plateReadsPerHour); the answer names when the next may be.',
  },
  HUB_PLATE_NONE: {
    status: 404,
    help: 'The passage has no encrypted plate: none was read, its time (keepPlatesDays) is over, or its edge has no key for it.',
  },
  HUB_PORT: { status: 0, help: 'A port cannot be used; the message names the setting that moves it.' },
  HUB_RESTORE: {
    status: 0,
    help: 'The backup was not restored: the folder is not empty, or the backup is incomplete, damaged or of other engines.',
  },
  HUB_SEAL_KEY: {
    status: 0,
    help: 'The key that seals the record is missing, is not of Ed25519 or is not the one of its history; the message says which.',
  },
  HUB_SEARCH_TOO_LARGE: {
    status: 422,
    help: 'The search finds more than is taken out at once: narrow it, or let an administrator export the record.',
  },
  HUB_SECOND_FACTOR: {
    status: 401,
    help: 'The code of the authenticator (or a recovery code) is missing, wrong or used; `details` says which.',
  },
  HUB_STREAM_BUSY: { status: 409, help: 'The camera is being published over another connection already.' },
  HUB_STREAM_FORMAT: {
    status: 415,
    help: 'What is published is not FLV; the message says what is wrong and where.',
  },
  HUB_STREAM_FULL: { status: 503, help: 'As many players are open as the hub or the user may have.' },
  HUB_STREAM_NONE: {
    status: 503,
    help: 'No picture came from the edge in time: it is offline, or the camera is.',
  },
  HUB_STREAM_NOT_WANTED: {
    status: 409,
    help: 'Nobody watches this camera (any more): the edge stops publishing.',
  },
  HUB_TIMESERIES: {
    status: 0,
    help: 'The time-series store cannot be opened; the message says which file or address and why.',
  },
  HUB_TOO_MANY_REQUESTS: { status: 429, help: 'Too many attempts; wait for the time that the answer names.' },
  HUB_USAGE: { status: 0, help: 'The command line is wrong; `--help` lists the commands.' },
} as const satisfies Record<string, ErrorKind>

export type HubErrorCode = keyof typeof HUB_ERRORS

export class HubError extends Error {
  readonly code: HubErrorCode
  readonly details: readonly string[]

  constructor(
    code: HubErrorCode,
    message: string,
    options: { details?: readonly string[]; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'HubError'
    this.code = code
    this.details = options.details ?? []
  }

  get status(): number {
    return HUB_ERRORS[this.code].status
  }
}
