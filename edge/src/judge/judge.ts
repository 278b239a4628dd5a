/** From tracks to alerts: asks every rule of a camera and writes down what it found so that a person can follow it. */
import { randomUUID } from 'node:crypto'
import type { AlertRecord, ModelRef } from '@patrolhub/protocol'
import type { CameraConfig, IntrusionRuleConfig } from '../config.ts'
import type { Track } from '../track/track.ts'
import { type Intrusion, IntrusionRule } from './intrusion.ts'

const MAX_OBJECTS = 100

export class Judge {
  readonly #camera: CameraConfig
  readonly #model: ModelRef
  readonly #rules: IntrusionRule[]
  readonly #makeId: () => string

  /** `makeId` makes the identifiers of alerts and evidence; the default is random. */
  constructor(camera: CameraConfig, model: ModelRef, makeId: () => string = randomUUID) {
    this.#camera = camera
    this.#model = model
    this.#rules = camera.rules.map((config) => new IntrusionRule(config))
    this.#makeId = makeId
  }

  /**
   * Takes the tracks seen in the frame captured at `atMs` and gives the alerts that this frame decides. Each names one
   * piece of evidence, a snapshot, which whoever calls has to ask for.
   */
  observe(tracks: readonly Track[], atMs: number): AlertRecord[] {
    return this.#rules.flatMap((rule) =>
      rule.observe(tracks, atMs).map((intrusion) => this.#describe(rule.config, intrusion, tracks, atMs)),
    )
  }

  #describe(
    rule: IntrusionRuleConfig,
    { track, enteredAtMs }: Intrusion,
    tracks: readonly Track[],
    atMs: number,
  ): AlertRecord {
    const camera = this.#camera
    const seconds = Math.round((atMs - enteredAtMs) / 100) / 10
    const percent = Math.round(track.score * 100)
    const others = tracks.filter((other) => other.trackId !== track.trackId).slice(0, MAX_OBJECTS - 1)
    const duration = seconds > 0 ? ` for ${seconds} s` : ''
    return {
      kind: 'alert',
      alertId: this.#makeId(),
      atMs: Math.round(atMs),
      deviceId: camera.cameraId,
      deviceKind: 'camera',
      region: camera.region,
      rule: rule.kind,
      ruleName: rule.name,
      severity: rule.severity,
      score: track.score,
      reason:
        `${article(track.className)} has been inside “${rule.name}” of ${camera.name}${duration} ` +
        `(limit ${rule.minSeconds} s, detector ${percent} % sure).`,
      facts: {
        className: track.className,
        secondsInZone: seconds,
        minSeconds: rule.minSeconds,
        trackId: track.trackId,
        trackedSeconds: Math.round((atMs - track.firstSeenAtMs) / 100) / 10,
        objectsInPicture: tracks.length,
      },
      objects: [track, ...others].map((object) => ({
        trackId: object.trackId,
        className: object.className,
        score: object.score,
        boxNorm: object.boxNorm,
        isSubject: object === track,
      })),
      trackPath: track.path,
      zone: rule.zone,
      model: this.#model,
      evidenceIds: [this.#makeId()],
    }
  }
}

function article(noun: string): string {
  return `${/^[aeiou]/i.test(noun) ? 'An' : 'A'} ${noun}`
}
