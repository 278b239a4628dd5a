/** The plates of stored passages: which keys they lie under, replacing what they are encrypted with, letting them go. */

/** Passages whose ciphertext was made with one version of the key, of one edge. */
export interface PlateKeyUse {
  version: number
  edgeId: string
  passages: number
  /** Time of the oldest and of the newest of them. */
  oldestMs: number
  newestMs: number
}

export interface StoredPlate {
  /** Names the passage to the store that answered it. */
  ref: string
  deviceId: string
  atMs: number
  plateCipher: string
  plateHash?: string
}

export interface PlateQuery {
  fromMs: number
  /** Not included. */
  toMs: number
  /** Leaves out what is encrypted with this version already. */
  exceptVersion?: number
  /** More are answered only if one millisecond has more. */
  limit: number
}

export interface PlatePage {
  /** By time. */
  plates: StoredPlate[]
  /** Everything before this has been answered; `toMs` if that is all. */
  upToMs: number
}

export interface PlateChange {
  from: StoredPlate
  plateCipher: string
  /** Left as it is where this is `undefined`. */
  plateHash: string | undefined
}

/** A passage that is kept with its plate, whatever its age: what a held incident tells of. */
export interface KeptPassage {
  deviceId: string
  atMs: number
}

export interface PlateStore {
  /** Ordered by version and edge. */
  use(): Promise<PlateKeyUse[]>
  read(query: PlateQuery): Promise<PlatePage>
  /**
   * All or nothing, durable when it resolves; answers how many. A passage that was changed since it was read stays as it
   * is, where the engine can tell.
   */
  replace(changes: readonly PlateChange[]): Promise<number>
  /** Takes hash and ciphertext from passages before this time; answers from how many. */
  drop(beforeMs: number, kept: readonly KeptPassage[]): Promise<number>
}
