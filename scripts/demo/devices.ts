/** The simulated checkpoints and sensors of the demo, and something out of the ordinary from time to time. */
import { randomBytes } from 'node:crypto'
import { type CheckpointAnomaly, SimulatedCheckpoint } from '../../test/simulator/checkpoint.ts'
import { type SensorAnomaly, SimulatedSensor } from '../../test/simulator/sensor.ts'
import { SECOND_STREET, STREET } from './scenes.ts'

export const CHECKPOINTS = [
  {
    checkpointId: 'checkpoint-01',
    name: '中华路卡口 Zhonghua Road checkpoint',
    region: STREET,
    latitude: 36.0871,
    longitude: 114.3585,
    lanes: 6,
    peakPerMinute: 240,
    // Enough for every counting window, at night too.
    quietShare: 0.6,
    tollgateId: '41050200001210000001',
  },
] as const

export const SENSORS = [
  {
    sensorId: 'smoke-01',
    name: '服务大厅烟感 Service hall smoke',
    region: STREET,
    latitude: 36.0902,
    longitude: 114.3565,
    quantity: 'smoke',
    unit: 'ppm',
    mean: 35,
    swing: 1,
    noise: 0.5,
    usualAnomaly: 'spike',
  },
  {
    sensorId: 'water-01',
    name: '东桥水位 East bridge water level',
    region: SECOND_STREET,
    latitude: 36.0864,
    longitude: 114.3633,
    quantity: 'water_level',
    unit: 'm',
    mean: 2.4,
    swing: 0.05,
    noise: 0.01,
    usualAnomaly: 'rise',
  },
] as const

/** Counting windows of the checkpoint, and values that the model has to see first. */
export const FLOW_WINDOW_SECONDS = 3
export const WARM_UP_VALUES = 12
/** After the longest warm-up (flow: 36 s), with a little room. */
const FIRST_ANOMALY_SECONDS = 45
/** The first round goes quickly, so that a short demonstration shows something. */
const FIRST_ROUND_EVERY_SECONDS = 25
const LATER_EVERY_SECONDS = 90
const ANOMALY_LASTS_SECONDS = 10

export interface DemoDevices {
  checkpoints: SimulatedCheckpoint[]
  sensors: SimulatedSensor[]
  /** Password of each device by its id. */
  passwords: ReadonlyMap<string, string>
}

/** New passwords, not yet connected. */
export function makePasswords(): Map<string, string> {
  const ids = [
    ...CHECKPOINTS.map(({ checkpointId }) => checkpointId),
    ...SENSORS.map(({ sensorId }) => sensorId),
  ]
  return new Map(ids.map((id) => [id, randomBytes(18).toString('base64url')]))
}

/** Connects all devices to the edge's listener. */
export async function startDevices(
  brokerUrl: string,
  passwords: ReadonlyMap<string, string>,
): Promise<DemoDevices> {
  const checkpoints = CHECKPOINTS.map(
    (each, index) =>
      new SimulatedCheckpoint({
        ...each,
        brokerUrl,
        password: passwords.get(each.checkpointId)!,
        seed: index + 1,
      }),
  )
  const sensors = SENSORS.map(
    (each, index) =>
      new SimulatedSensor({ ...each, brokerUrl, password: passwords.get(each.sensorId)!, seed: 100 + index }),
  )
  try {
    await Promise.all([...checkpoints, ...sensors].map((device) => device.start()))
  } catch (error) {
    await Promise.all([...checkpoints, ...sensors].map((device) => device.close()))
    throw error
  }
  return { checkpoints, sensors, passwords }
}

type Anomaly =
  | { device: SimulatedCheckpoint; name: string; kind: CheckpointAnomaly }
  | { device: SimulatedSensor; name: string; kind: SensorAnomaly }

/** Lets one device after the other behave oddly for a while, the first soon after the warm-up. Answers how to stop it. */
export function scheduleAnomalies(
  { checkpoints, sensors }: DemoDevices,
  onLine: (line: string) => void,
): () => void {
  const rounds: Anomaly[] = []
  // Sensors first: the longer the model has seen the noisy flow, the narrower is the band that it expects.
  for (const [index, device] of sensors.entries()) {
    rounds.push({ device, name: SENSORS[index]!.name, kind: SENSORS[index]!.usualAnomaly })
  }
  for (const [index, device] of checkpoints.entries()) {
    rounds.push({ device, name: CHECKPOINTS[index]!.name, kind: 'surge' })
  }
  for (const [index, device] of checkpoints.entries()) {
    rounds.push({ device, name: CHECKPOINTS[index]!.name, kind: 'crawl' })
  }
  let timer: NodeJS.Timeout
  const begin = (round: number) => {
    const { device, name, kind } = rounds[round % rounds.length]!
    onLine(`simulating "${kind}" at ${name} for ${ANOMALY_LASTS_SECONDS} s`)
    // Each device is paired with a kind that it knows where the rounds are made.
    ;(device as { anomaly: string }).anomaly = kind
    timer = setTimeout(() => {
      device.anomaly = 'none'
      const everySeconds = round + 1 < rounds.length ? FIRST_ROUND_EVERY_SECONDS : LATER_EVERY_SECONDS
      timer = setTimeout(() => begin(round + 1), (everySeconds - ANOMALY_LASTS_SECONDS) * 1000)
    }, ANOMALY_LASTS_SECONDS * 1000)
  }
  timer = setTimeout(() => begin(0), FIRST_ANOMALY_SECONDS * 1000)
  return () => clearTimeout(timer)
}
