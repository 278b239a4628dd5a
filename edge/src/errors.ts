/**
 * Every error that an edge stops for or reports. The code is stable; `docs/ref/errors.md` is generated from this
 * catalogue and a test keeps them equal. Add yours here, in alphabetical order.
 */
interface ErrorKind {
  /** What it means and what to do, for the reference page. */
  help: string
}

export const EDGE_ERRORS = {
  EDGE_CLIP_FAILED: { help: 'The clip of an alert could not be cut; the alert itself stands.' },
  EDGE_CONFIG: { help: 'The configuration is wrong; every problem is listed with its place.' },
  EDGE_DATA_IN_USE: {
    help: 'Another edge runs on this data folder: stop it, or give this one a `dataDir` of its own.',
  },
  EDGE_DETECTION_FAILED: {
    help: 'The detector could not analyse a frame. If its worker crashed, it is started again by itself.',
  },
  EDGE_DISK: { help: 'The data folder cannot be written or read: look at its rights and at the free space.' },
  EDGE_FFMPEG_MISSING: {
    help: 'Cameras need ffmpeg and there is none that runs: install it (Debian and Ubuntu: `apt-get install ffmpeg`), or name the program in the environment variable `FFMPEG_PATH`.',
  },
  EDGE_FLV_MALFORMED: { help: 'The compressed stream is not FLV; the camera is connected anew.' },
  EDGE_FRAME_FORMAT: { help: 'A frame has another size than the detector asked for.' },
  EDGE_FRAME_ORDER: {
    help: 'Frames and their times came apart between ffmpeg and the edge; the camera is connected anew.',
  },
  EDGE_JOURNAL_CLOSED: { help: 'A record came after the journal was closed; the edge is stopping.' },
  EDGE_JOURNAL_FILE: {
    help: 'The journal file is damaged, foreign or of a newer version: move it away (the edge then starts a new one) and keep it for inspection.',
  },
  EDGE_JOURNAL_FULL: {
    help: 'More records wait for the disk than the memory is meant to hold: the disk is full or does not answer.',
  },
  EDGE_MODEL_CATALOGUE: { help: 'The model catalogue cannot be read, or an entry is incomplete.' },
  EDGE_MODEL_HASH: { help: 'A model file does not have the SHA-256 of its catalogue entry: fetch it again.' },
  EDGE_MODEL_LOAD: { help: 'onnxruntime cannot load a model file although its SHA-256 is right.' },
  EDGE_MODEL_MISSING: {
    help: 'No model file was found in the folders that were searched: run `npm run models -- prepare`.',
  },
  EDGE_MODEL_SHAPE: { help: 'The inputs or outputs of a model do not fit its decoder.' },
  EDGE_PORT_IN_USE: { help: 'Another program listens on `intake.port`: stop it or choose another port.' },
  EDGE_RECORD_TOO_LARGE: { help: 'A record is larger than the journal takes; it was not kept.' },
  EDGE_RESTART_NEEDED: {
    help: 'A setting that is read once has changed: restart the edge to take it over.',
  },
  EDGE_SNAPSHOT_FAILED: { help: 'The picture of an alert could not be decoded; the alert itself stands.' },
  EDGE_TS_MALFORMED: { help: 'The compressed stream is not MPEG-TS; the camera is connected anew.' },
} as const satisfies Record<string, ErrorKind>

export type EdgeErrorCode = keyof typeof EDGE_ERRORS

export class EdgeError extends Error {
  readonly code: EdgeErrorCode
  readonly details: readonly string[]

  constructor(
    code: EdgeErrorCode,
    message: string,
    options: { details?: readonly string[]; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'EdgeError'
    this.code = code
    this.details = options.details ?? []
  }
}
