/** What the judge and its rules say to each other. */
import type { NormPoint } from '@patrolhub/protocol'
import type { Track } from '../track/track.ts'

/** What is seen in one frame. */
export interface Scene {
  tracks: readonly Track[]
  /** Capture time of the frame. */
  atMs: number
  /** Width of the picture by its height, so that lengths in both directions can be compared. */
  aspect: number
}

/** Something that a rule is about; tracks are, and so are objects that nobody tracks. */
export type Subject = Pick<Track, 'trackId' | 'className' | 'score' | 'boxNorm'>

/** One judgement that something is wrong. */
export interface Finding {
  /** The object that decided it comes first; the others that it is about follow. */
  subjects: readonly Subject[]
  /** 0..1. */
  score: number
  /** A whole sentence in English. */
  reason: string
  facts: Record<string, string | number>
  path: readonly NormPoint[]
}

/**
 * A rule over the tracks of one camera. It is asked about every frame in the order of time. While `mayAlert` is false
 * (its cool-down) it goes on counting, so that the next finding says what has happened since the last one.
 */
export interface TrackRule {
  observe(scene: Scene, mayAlert: boolean): Finding | undefined
}

/** How a rule calls its place: `“Yard” of East gate`. */
export function placeOf(ruleName: string, cameraName: string): string {
  return `“${ruleName}” of ${cameraName}`
}

/** `A car`, `An apple`. */
export function withArticle(noun: string): string {
  return `${/^[aeiou]/i.test(noun) ? 'An' : 'A'} ${noun}`
}

export const tenths = (value: number): number => Math.round(value * 10) / 10
export const hundredths = (value: number): number => Math.round(value * 100) / 100
/** Seconds between two times, to a tenth. */
export const secondsBetween = (fromMs: number, toMs: number): number => tenths((toMs - fromMs) / 1000)
export const sure = (score: number): string => `detector ${Math.round(score * 100)} % sure`
