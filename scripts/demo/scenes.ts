/** What each piece of footage shows, as an engineer who hangs a camera there would write it down: name, place, zones. */
import type { NormPolygon, Sensitivity, Severity } from '@patrolhub/protocol'

export interface SceneRule {
  name: string
  zone: NormPolygon
  classes: string[]
  minSeconds: number
  cooldownSeconds: number
  severity: Severity
}

export interface Scene {
  name: string
  sensitivity: Sensitivity
  region: string
  latitude: number
  longitude: number
  /** Where in the clip the camera begins: two cameras with one clip show different moments. */
  startSeconds: number
  rules: SceneRule[]
}

export const CITY = '4105'
export const COUNTY = '410502'
export const STREET = '410502003'
export const SECOND_STREET = '410502004'

/** Names for the screens. City and county are real places; what lies below them here is made up. */
export const REGION_NAMES: Readonly<Record<string, string>> = {
  [CITY]: '安阳市 Anyang',
  [COUNTY]: '文峰区 Wenfeng',
  [STREET]: '示范一街道 Demo Street 1',
  [SECOND_STREET]: '示范二街道 Demo Street 2',
}

/** vtest.avi: a courtyard seen from above; people walk on the paved part all the time and cross the lawn now and then. */
const COURTYARD: NormPolygon = [
  [0.55, 0.5],
  [0.8, 0.5],
  [0.88, 0.72],
  [0.64, 0.66],
]
const LAWN: NormPolygon = [
  [0, 0.46],
  [0.3, 0.52],
  [0.6, 0.72],
  [0.86, 0.94],
  [0.86, 1],
  [0, 1],
]
const SERVICE_ROAD: NormPolygon = [
  [0.74, 0.22],
  [0.95, 0.18],
  [1, 0.36],
  [0.78, 0.38],
]
/** Footage that nobody has drawn zones for: all but the upper quarter, where things are far away. */
const MOST_OF_THE_PICTURE: NormPolygon = [
  [0, 0.25],
  [1, 0.25],
  [1, 1],
  [0, 1],
]

const people = { classes: ['person'], minSeconds: 0.5 }

const KNOWN: Readonly<Record<string, readonly Scene[]>> = {
  vtest: [
    {
      name: '北门广场 North gate square',
      sensitivity: 'public',
      region: STREET,
      latitude: 36.0898,
      longitude: 114.3571,
      startSeconds: 0,
      rules: [
        {
          name: '封闭区域 closed square',
          zone: COURTYARD,
          ...people,
          cooldownSeconds: 20,
          severity: 'minor',
        },
        { name: '绿地 lawn', zone: LAWN, ...people, cooldownSeconds: 30, severity: 'major' },
      ],
    },
    {
      name: '东侧通道 East service road',
      sensitivity: 'controlled',
      region: SECOND_STREET,
      latitude: 36.0891,
      longitude: 114.3612,
      startSeconds: 40,
      rules: [
        { name: '消防通道 fire lane', zone: SERVICE_ROAD, ...people, cooldownSeconds: 25, severity: 'major' },
      ],
    },
  ],
  'one-by-one-person': [
    {
      name: '服务大厅 Service hall',
      sensitivity: 'controlled',
      region: STREET,
      latitude: 36.0902,
      longitude: 114.3565,
      startSeconds: 8,
      rules: [
        {
          name: '柜台 counter',
          zone: [
            [0.35, 0.55],
            [0.8, 0.55],
            [0.8, 1],
            [0.35, 1],
          ],
          ...people,
          cooldownSeconds: 40,
          severity: 'minor',
        },
      ],
    },
  ],
  'person-bicycle-car': [
    {
      name: '停车场 Car park',
      sensitivity: 'public',
      region: SECOND_STREET,
      latitude: 36.0885,
      longitude: 114.3604,
      startSeconds: 0,
      rules: [
        {
          name: '停车场 car park',
          zone: MOST_OF_THE_PICTURE,
          classes: ['person', 'bicycle', 'car'],
          minSeconds: 0.5,
          cooldownSeconds: 30,
          severity: 'info',
        },
      ],
    },
  ],
}

/** One scene a camera: those drawn for a known clip, else one that covers most of the picture. */
export function scenesFor(name: string, index: number): readonly Scene[] {
  const known = Object.hasOwn(KNOWN, name) ? KNOWN[name]! : undefined
  if (known) return known
  return [
    {
      name: name === 'rendered' ? '合成画面 Rendered scene' : `摄像机 Camera ${name}`.slice(0, 80),
      sensitivity: 'public',
      region: index % 2 === 0 ? STREET : SECOND_STREET,
      latitude: 36.09 + index * 0.001,
      longitude: 114.36,
      startSeconds: 0,
      rules: [
        {
          name: '监控区 watched area',
          zone: MOST_OF_THE_PICTURE,
          classes: ['person', 'bicycle', 'car', 'motorcycle', 'bus', 'truck'],
          minSeconds: 0.5,
          cooldownSeconds: 20,
          severity: 'minor',
        },
      ],
    },
  ]
}
