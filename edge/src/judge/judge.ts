/**
 * From what a camera shows to alerts: asks every rule that counts now, keeps each rule's cool-down, and writes down what
 * was found so that a person can follow it. Pure: time comes with the frames. The alerts name no evidence: whoever
 * takes the pictures adds that.
 */
import { randomUUID } from 'node:crypto'
import type { AlertRecord, CameraState, ModelRef } from '@patrolhub/protocol'
import type { Frame } from '../capture/frame.ts'
import type {
  LostSignalRuleConfig,
  PictureRuleConfig,
  StaticObjectRuleConfig,
  TrackRuleConfig,
  UnusualRuleConfig,
} from '../config/rules.ts'
import type { CameraConfig, RuleConfig } from '../config.ts'
import type { Track } from '../track/track.ts'
import { type Luma, lumaOf } from './luma.ts'
import { PictureWatch } from './picture-watch.ts'
import { isInside } from './polygon.ts'
import { type Finding, hundredths, placeOf, type Subject, secondsBetween, type TrackRule } from './rule.ts'
import { ScheduleClock } from './schedule.ts'
import { type StaticObject, StaticObjects } from './static-objects.ts'
import { makeTrackRule } from './track-rules.ts'

const MAX_OBJECTS = 100
/** Objects that were told of stay known for this much longer than the slowest rule takes. */
const KEEP_AFTER_MS = 15_000

interface Watched<C extends RuleConfig> {
  config: C
  clock: ScheduleClock
  lastAlertAtMs: number
  /** When each fault began, or the numbers of the objects, that have been told of: each is told of once. */
  told: Set<number>
}

interface Guarded {
  config: TrackRuleConfig
  clock: ScheduleClock
  /** Absent while its schedule does not count: then it begins anew. */
  rule: TrackRule | undefined
  lastAlertAtMs: number
}

const PICTURE_KINDS = ['covered', 'blurred', 'frozen', 'moved-camera'] as const
const isPictureRule = (config: RuleConfig): config is PictureRuleConfig =>
  (PICTURE_KINDS as readonly string[]).includes(config.kind)
const isStaticRule = (config: RuleConfig): config is StaticObjectRuleConfig =>
  config.kind === 'left-object' || config.kind === 'removed-object'
const isUnusualRule = (config: RuleConfig): config is UnusualRuleConfig => config.kind === 'unusual'
const isTrackRule = (config: RuleConfig): config is TrackRuleConfig =>
  'classes' in config && !isUnusualRule(config)
const isSignalRule = (config: RuleConfig): config is LostSignalRuleConfig => config.kind === 'lost-signal'

export class Judge {
  readonly #camera: CameraConfig
  readonly #model: ModelRef
  readonly #tracked: Guarded[]
  readonly #static: Watched<StaticObjectRuleConfig>[]
  readonly #picture: Watched<PictureRuleConfig>[]
  readonly #signal: Watched<LostSignalRuleConfig>[]
  readonly #unusual: Watched<UnusualRuleConfig> | undefined
  readonly #makeId: () => string
  readonly #watch = new PictureWatch()
  readonly #objects: StaticObjects
  #offlineSinceMs: number | undefined
  #lastAtMs = Number.NEGATIVE_INFINITY

  /** `makeId` makes the identifiers of alerts; the default is random. */
  constructor(camera: CameraConfig, model: ModelRef, makeId: () => string = randomUUID) {
    this.#camera = camera
    this.#model = model
    this.#makeId = makeId
    const { rules } = camera
    this.#static = rules.filter(isStaticRule).map(watched)
    this.#picture = rules.filter(isPictureRule).map(watched)
    this.#signal = rules.filter(isSignalRule).map(watched)
    this.#unusual = rules.filter(isUnusualRule).map(watched)[0]
    this.#tracked = rules.filter(isTrackRule).map((config) => ({
      config,
      clock: new ScheduleClock(config.schedule),
      rule: undefined,
      lastAlertAtMs: Number.NEGATIVE_INFINITY,
    }))
    const slowest = Math.max(
      0,
      ...this.#static.map(({ config }) => config.minSeconds + config.cooldownSeconds),
    )
    this.#objects = new StaticObjects(slowest * 1000 + KEEP_AFTER_MS)
  }

  /** True if any rule looks at tracks: then every frame is worth detecting. */
  get needsTracks(): boolean {
    return this.#tracked.length > 0 || this.#static.length > 0 || this.#unusual !== undefined
  }

  /** Brightness of a frame, for `observeStill`; `undefined` if no rule needs it. Has to be asked while its pixels are there. */
  lumaOf(frame: Frame): Luma | undefined {
    return this.#static.length > 0 ? lumaOf(frame) : undefined
  }

  /**
   * Takes the tracks seen in the frame captured at `atMs` and gives the alerts that this frame decides. `aspect` is the
   * width of the picture by its height.
   */
  observe(tracks: readonly Track[], atMs: number, aspect = 16 / 9): AlertRecord[] {
    const alerts: AlertRecord[] = []
    const isSetBack = atMs < this.#lastAtMs
    this.#lastAtMs = atMs
    for (const guarded of this.#tracked) {
      const { config, clock } = guarded
      // What was remembered of a time that is still to come would be waited for.
      if (isSetBack) guarded.rule = undefined
      if (!clock.isActive(atMs)) {
        guarded.rule = undefined
        continue
      }
      guarded.rule ??= makeTrackRule(config, placeOf(config.name, this.#camera.name))
      const finding = guarded.rule.observe({ tracks, atMs, aspect }, isCool(guarded, atMs))
      if (!finding) continue
      guarded.lastAlertAtMs = atMs
      alerts.push(this.#write(config, finding, tracks, atMs))
    }
    return alerts
  }

  /** True while the rule about what is unusual counts and is not cooling down. */
  mayTellUnusual(atMs: number): boolean {
    return this.#unusual !== undefined && this.#mayAlert(this.#unusual, atMs)
  }

  /** What normality has found in these tracks, as `model` judged it. */
  tellUnusual(finding: Finding, model: ModelRef, tracks: readonly Track[], atMs: number): AlertRecord[] {
    if (!this.#unusual) return []
    this.#unusual.lastAlertAtMs = atMs
    return [{ ...this.#write(this.#unusual.config, finding, tracks, atMs), model }]
  }

  /** Left and removed objects: brightness of the same frame as the tracks. */
  observeStill(luma: Luma, tracks: readonly Track[], atMs: number): AlertRecord[] {
    const boxes = tracks.map(({ boxNorm }) => boxNorm)
    const objects = this.#objects.observe(luma, boxes, atMs)
    return this.#static.flatMap((rule) => {
      const { config, told } = rule
      for (const id of told) if (!objects.some((object) => object.id === id)) told.delete(id)
      const due = objects.filter(
        (object) =>
          fitsRule(object, config) &&
          !told.has(object.id) &&
          // What is hidden just now may have been fetched meanwhile.
          object.lastSeenMs === atMs &&
          atMs - object.sinceMs >= config.minSeconds * 1000,
      )
      if (due.length === 0 || !this.#mayAlert(rule, atMs)) return []
      for (const { id } of due) told.add(id)
      rule.lastAlertAtMs = atMs
      const place = placeOf(config.name, this.#camera.name)
      return [this.#write(config, stillFinding(due, config, place, atMs), tracks, atMs)]
    })
  }

  /** Covered, blurred, frozen, moved: any frame. It is looked at once a second only. */
  observePicture(frame: Frame, luma?: Luma): AlertRecord[] {
    if (this.#picture.length === 0) return []
    const faults = this.#watch.observe(frame, luma)
    if (!faults) return []
    const atMs = frame.capturedAtMs
    return this.#picture.flatMap((rule) => {
      const { config } = rule
      const fault = faults.find(({ fault: kind }) => kind === config.kind)
      if (!fault || rule.told.has(fault.sinceMs) || !this.#mayAlert(rule, atMs)) return []
      if (atMs - fault.sinceMs < config.minSeconds * 1000) return []
      rule.told = new Set([fault.sinceMs])
      rule.lastAlertAtMs = atMs
      const seconds = secondsBetween(fault.sinceMs, atMs)
      const finding: Finding = {
        subjects: [],
        score: Math.min(1, Math.max(0, fault.score)),
        reason: `${this.#camera.name} ${WORDS[config.kind]} for ${seconds} s (limit ${config.minSeconds} s).`,
        facts: { seconds, minSeconds: config.minSeconds, ...fault.facts },
        path: [],
      }
      this.#watch.accept(config.kind)
      return [this.#write(config, finding, [], atMs)]
    })
  }

  /** The state of the camera, whenever it changes and now and then in between. `why` says why it is offline. */
  observeSignal(state: CameraState, why: string, atMs: number): AlertRecord[] {
    if (state === 'online' || state === 'degraded') this.#offlineSinceMs = undefined
    else if (this.#offlineSinceMs === undefined || atMs < this.#offlineSinceMs) this.#offlineSinceMs = atMs
    const sinceMs = this.#offlineSinceMs
    if (sinceMs === undefined) return []
    return this.#signal.flatMap((rule) => {
      const { config } = rule
      if (rule.told.has(sinceMs) || atMs - sinceMs < config.minSeconds * 1000) return []
      if (!this.#mayAlert(rule, atMs)) return []
      rule.told = new Set([sinceMs])
      rule.lastAlertAtMs = atMs
      const seconds = secondsBetween(sinceMs, atMs)
      const finding: Finding = {
        subjects: [],
        score: 1,
        reason:
          `${this.#camera.name} has given no picture for ${seconds} s (limit ${config.minSeconds} s): ${why || 'unknown'}.`.slice(
            0,
            400,
          ),
        facts: { seconds, minSeconds: config.minSeconds, why: (why || 'unknown').slice(0, 200) },
        path: [],
      }
      return [this.#write(config, finding, [], atMs)]
    })
  }

  #mayAlert(rule: Pick<Watched<RuleConfig>, 'config' | 'clock' | 'lastAlertAtMs'>, atMs: number): boolean {
    return rule.clock.isActive(atMs) && isCool(rule, atMs)
  }

  #write(config: RuleConfig, finding: Finding, tracks: readonly Subject[], atMs: number): AlertRecord {
    const { subjects, score, reason, facts, path } = finding
    const named = new Set(subjects.map(({ trackId }) => trackId))
    const others = 'classes' in config ? tracks.filter(({ trackId }) => !named.has(trackId)) : []
    const zone = 'zone' in config ? config.zone : 'line' in config ? config.line : undefined
    return {
      kind: 'alert',
      alertId: this.#makeId(),
      atMs: Math.round(atMs),
      deviceId: this.#camera.cameraId,
      deviceKind: 'camera',
      region: this.#camera.region,
      rule: config.kind,
      ruleName: config.name,
      severity: config.severity,
      score,
      reason: reason.slice(0, 400),
      facts,
      objects: [...subjects, ...others].slice(0, MAX_OBJECTS).map((object) => ({
        trackId: object.trackId,
        className: object.className,
        score: object.score,
        boxNorm: object.boxNorm,
        isSubject: named.has(object.trackId),
      })),
      trackPath: [...path],
      ...(zone ? { zone: [...zone] } : {}),
      ...('classes' in config ? { model: this.#model } : {}),
      evidenceIds: [],
    }
  }
}

const WORDS: Readonly<Record<PictureRuleConfig['kind'], string>> = {
  covered: 'has been covered, or has seen nothing,',
  blurred: 'has been out of focus or dirty',
  frozen: 'has sent the same picture',
  'moved-camera': 'has looked at another view than before',
}

function watched<C extends RuleConfig>(config: C): Watched<C> {
  return {
    config,
    clock: new ScheduleClock(config.schedule),
    lastAlertAtMs: Number.NEGATIVE_INFINITY,
    told: new Set(),
  }
}

/** A clock that was set back must not silence a rule for as long as it was. */
function isCool(
  { config, lastAlertAtMs }: { config: RuleConfig; lastAlertAtMs: number },
  atMs: number,
): boolean {
  return atMs - lastAlertAtMs >= config.cooldownSeconds * 1000 || atMs < lastAlertAtMs
}

function fitsRule({ kind, area, boxNorm }: StaticObject, config: StaticObjectRuleConfig): boolean {
  const [x1, y1, x2, y2] = boxNorm
  return (
    `${kind}-object` === config.kind &&
    area >= config.minArea &&
    area <= config.maxArea &&
    isInside([(x1 + x2) / 2, (y1 + y2) / 2], config.zone)
  )
}

/** A change of this many grey values leaves no doubt. */
const SURE_CONTRAST = 60

function stillFinding(
  objects: readonly StaticObject[],
  config: StaticObjectRuleConfig,
  place: string,
  atMs: number,
): Finding {
  const { area, contrast, sinceMs } = objects[0]!
  const seconds = secondsBetween(sinceMs, atMs)
  const sureness = (each: StaticObject): number => hundredths(Math.min(1, each.contrast / SURE_CONTRAST))
  const what = config.kind === 'left-object' ? 'Something has been left in' : 'Something has been gone from'
  return {
    subjects: objects.map((each) => ({
      trackId: each.id,
      className: 'object',
      score: sureness(each),
      boxNorm: each.boxNorm,
    })),
    score: sureness(objects[0]!),
    reason: `${what} ${place} for ${seconds} s (limit ${config.minSeconds} s).`,
    facts: {
      seconds,
      minSeconds: config.minSeconds,
      count: objects.length,
      areaPercent: hundredths(area * 100),
      contrast: Math.round(contrast),
    },
    path: [],
  }
}
