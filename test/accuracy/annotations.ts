/**
 * What happens in the clips of the assets page, as a person saw it looking at two pictures a second, and in the scenes
 * that are put together from them (scenes.ts), and the rules that should say so. Seconds of the clip. `unsure` are times
 * in which one may or may not speak of the event (somebody walks on the very border of the zone): alerts in them count
 * neither way.
 */

import { WALKS } from './motorway.ts'

export interface AnnotatedEvent {
  /** Name of the rule that should raise an alert, once. */
  rule: string
  fromSeconds: number
  toSeconds: number
  /** Who or what. */
  what: string
}

export interface AnnotatedClip {
  clip: string
  seconds: number
  /** As in an edge's file; names are unique in a clip. */
  rules: readonly { name: string; kind: string; [setting: string]: unknown }[]
  /** What else an engineer would set for such a camera. */
  settings?: object
  events: readonly AnnotatedEvent[]
  unsure: readonly { rule: string; fromSeconds: number; toSeconds: number }[]
}

const EVERYWHERE = [
  [0, 0],
  [1, 0],
  [1, 1],
  [0, 1],
]
/** Hardly any of this happens in the clips: what does is among their events. */
const RARE = [
  { kind: 'covered', name: 'covered', severity: 'minor' },
  { kind: 'blurred', name: 'blurred', severity: 'minor' },
  { kind: 'frozen', name: 'frozen', severity: 'minor' },
  { kind: 'moved-camera', name: 'moved camera', severity: 'minor' },
  { kind: 'lost-signal', name: 'lost signal', severity: 'minor' },
  { kind: 'running', name: 'running', severity: 'minor', zone: EVERYWHERE },
  { kind: 'scatter', name: 'scatter', severity: 'minor', zone: EVERYWHERE },
  { kind: 'left-object', name: 'left object', severity: 'minor', zone: EVERYWHERE, minSeconds: 15 },
  { kind: 'removed-object', name: 'removed object', severity: 'minor', zone: EVERYWHERE, minSeconds: 15 },
  { kind: 'stopped-vehicle', name: 'stopped vehicle', severity: 'minor', zone: EVERYWHERE, minSeconds: 10 },
]

/** Of two things that are left soon after each other, each is told of. */
const RARE_AT_ONCE = RARE.map((rule) => ({ ...rule, cooldownSeconds: 2 }))

const VEHICLES = ['car', 'bus', 'truck']

/** Things left behind at these seconds, each told of within a quarter of a minute after its minimum. */
const leftAt = (seconds: readonly number[], what: string): AnnotatedEvent[] =>
  seconds.map((from) => ({ rule: 'left object', fromSeconds: from + 15, toSeconds: from + 30, what }))

export const ANNOTATIONS: readonly AnnotatedClip[] = [
  {
    clip: 'person-bicycle-car',
    seconds: 38,
    rules: [
      ...RARE,
      {
        kind: 'intrusion',
        name: 'vehicle in the lot',
        severity: 'minor',
        zone: EVERYWHERE,
        classes: VEHICLES,
        cooldownSeconds: 2,
      },
      {
        kind: 'intrusion',
        name: 'on foot or by bicycle',
        severity: 'minor',
        zone: EVERYWHERE,
        classes: ['person', 'bicycle'],
        cooldownSeconds: 2,
      },
      {
        kind: 'line-crossing',
        name: 'leaves to the left',
        severity: 'minor',
        line: [
          [0.15, 0.05],
          [0.15, 0.95],
        ],
        classes: VEHICLES,
        cooldownSeconds: 2,
      },
    ],
    events: [
      { rule: 'vehicle in the lot', fromSeconds: 0, toSeconds: 3.7, what: 'a white car leaves' },
      { rule: 'vehicle in the lot', fromSeconds: 27.8, toSeconds: 33.8, what: 'a green car drives through' },
      { rule: 'on foot or by bicycle', fromSeconds: 9.5, toSeconds: 14, what: 'a cyclist' },
      { rule: 'on foot or by bicycle', fromSeconds: 24.3, toSeconds: 28.6, what: 'somebody walks' },
      { rule: 'on foot or by bicycle', fromSeconds: 29, toSeconds: 34.2, what: 'a cyclist' },
      { rule: 'leaves to the left', fromSeconds: 1.2, toSeconds: 2.8, what: 'the white car' },
      { rule: 'leaves to the left', fromSeconds: 31.2, toSeconds: 33, what: 'the green car' },
    ],
    unsure: [],
  },
  {
    clip: 'one-by-one-person',
    seconds: 139,
    rules: [
      ...RARE,
      {
        kind: 'intrusion',
        name: 'somebody in the room',
        severity: 'minor',
        zone: EVERYWHERE,
        cooldownSeconds: 2,
      },
      {
        kind: 'loitering',
        name: 'stays at the table',
        severity: 'minor',
        zone: [
          [0.3, 0.3],
          [0.85, 0.3],
          [0.85, 1],
          [0.3, 1],
        ],
        minSeconds: 8,
        cooldownSeconds: 2,
      },
      { kind: 'crowding', name: 'crowd', severity: 'minor', zone: EVERYWHERE, minCount: 2 },
    ],
    events: [
      [6, 19.6, 'a woman in a grey cardigan'],
      [22.7, 44.7, 'a man in black'],
      [49.9, 69.7, 'a woman in black'],
      [74.6, 86.6, 'a man with a cap'],
      [91.6, 119.7, 'a woman in grey'],
      [123.6, 135.7, 'a man in a light shirt'],
    ].flatMap(([from, to, what]) => [
      { rule: 'somebody in the room', fromSeconds: Number(from), toSeconds: Number(to), what: String(what) },
      {
        rule: 'stays at the table',
        fromSeconds: Number(from) + 8,
        toSeconds: Number(to),
        what: String(what),
      },
    ]),
    unsure: [],
  },
  {
    clip: 'vtest',
    seconds: 79.5,
    rules: [
      ...RARE,
      {
        kind: 'intrusion',
        name: 'on the lawn',
        severity: 'minor',
        zone: [
          [0, 0.46],
          [0.12, 0.47],
          [0.3, 0.52],
          [0.4, 0.56],
          [0.5, 0.63],
          [0.62, 0.7],
          [0.75, 0.76],
          [0.9, 0.84],
          [1, 0.92],
          [1, 1],
          [0, 1],
        ],
        cooldownSeconds: 30,
      },
      {
        kind: 'loitering',
        name: 'stands by the tripod',
        severity: 'minor',
        zone: [
          [0.74, 0.5],
          [0.94, 0.5],
          [0.94, 0.78],
          [0.74, 0.78],
        ],
        minSeconds: 6,
        cooldownSeconds: 30,
      },
      {
        kind: 'crowding',
        name: 'crowd at the lamp',
        severity: 'minor',
        zone: [
          [0.35, 0.2],
          [0.78, 0.2],
          [0.78, 0.6],
          [0.35, 0.6],
        ],
        minCount: 5,
      },
    ],
    events: [
      { rule: 'on the lawn', fromSeconds: 50, toSeconds: 73, what: 'a woman and a man cross and wait' },
      { rule: 'stands by the tripod', fromSeconds: 53, toSeconds: 63, what: 'a man in black waits' },
      { rule: 'crowd at the lamp', fromSeconds: 4, toSeconds: 10, what: 'groups meet' },
      { rule: 'stopped vehicle', fromSeconds: 10, toSeconds: 79.5, what: 'a van and a car are parked' },
    ],
    unsure: [
      { rule: 'on the lawn', fromSeconds: 73, toSeconds: 79.5 },
      { rule: 'crowd at the lamp', fromSeconds: 0, toSeconds: 14 },
      { rule: 'crowd at the lamp', fromSeconds: 44, toSeconds: 79.5 },
    ],
  },
  {
    clip: 'bag-on-path',
    seconds: 79.5,
    rules: RARE,
    events: [
      {
        rule: 'left object',
        fromSeconds: 32,
        toSeconds: 79.5,
        what: 'a bag, since 17 s, while the light changes',
      },
      { rule: 'stopped vehicle', fromSeconds: 10, toSeconds: 79.5, what: 'a van and a car are parked' },
    ],
    unsure: [],
  },
  {
    clip: 'bag-indoors',
    seconds: 139,
    rules: RARE,
    events: [
      {
        rule: 'left object',
        fromSeconds: 55,
        toSeconds: 139,
        what: 'a bag, since 40 s, in a coarse picture',
      },
    ],
    unsure: [],
  },
  {
    clip: 'bags-beside-edges',
    seconds: 79.5,
    rules: RARE_AT_ONCE,
    events: [
      ...leftAt([14, 26, 38, 48], 'a bag beside a line, a tape or a kerb'),
      { rule: 'stopped vehicle', fromSeconds: 10, toSeconds: 79.5, what: 'a van and a car are parked' },
    ],
    unsure: [],
  },
  {
    clip: 'bags-by-exposure',
    seconds: 139,
    rules: RARE_AT_ONCE,
    events: leftAt([16, 40, 70], 'a bag, while the camera makes the room darker and brighter'),
    unsure: [],
  },
  {
    clip: 'stands-still',
    seconds: 124.5,
    rules: RARE,
    events: [
      { rule: 'stopped vehicle', fromSeconds: 10, toSeconds: 124.5, what: 'a van and a car are parked' },
    ],
    // Nothing moves from 30 to 75 s, as if time stood still.
    unsure: [{ rule: 'frozen', fromSeconds: 30, toSeconds: 80 }],
  },
  {
    clip: 'motorway',
    seconds: 60,
    rules: [
      ...RARE,
      { kind: 'intrusion', name: 'on foot', severity: 'minor', zone: EVERYWHERE, cooldownSeconds: 10 },
    ],
    // Who walks there is 35 to 65 pixels high, of 1080.
    settings: { detail: 3 },
    events: WALKS.map((walk) => ({ rule: 'on foot', ...walk, what: 'somebody walks' })),
    unsure: [],
  },
  {
    clip: 'parked-car',
    seconds: 78,
    rules: RARE,
    events: [
      {
        rule: 'stopped vehicle',
        fromSeconds: 10,
        toSeconds: 41,
        what: 'a car stands there from the beginning',
      },
      { rule: 'removed object', fromSeconds: 56, toSeconds: 78, what: 'it drives away at 40 s' },
    ],
    unsure: [],
  },
]
