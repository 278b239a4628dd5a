/** What real stations do wrong, as changes to a strict passage before it is sent. */
import type { MotorVehicle } from '@patrolhub/protocol'
import type { Random } from './random.ts'

/** Share of the passages, 0..1, that each fault befalls. */
export interface PassageFaults {
  /** Every number as text. */
  numbersAsText: number
  /** 无车牌 instead of a plate. */
  noPlate: number
  /** One character of the plate as `?`. */
  partPlate: number
  /** A colour code that no table has. */
  oddColour: number
  /** No PassTime: such a passage cannot be used. */
  noTime: number
  /** No JSON at all. */
  noJson: number
}

/** The message to be sent, as an object or, if it is broken as such, as text. */
export function spoil(
  vehicle: MotorVehicle,
  faults: Partial<PassageFaults>,
  random: Random,
): object | string {
  const befalls = (fault: keyof PassageFaults) => random.next() < (faults[fault] ?? 0)
  let message: Record<string, unknown> = { ...vehicle }
  if (befalls('noPlate')) message.PlateNo = '无车牌'
  else if (befalls('partPlate') && vehicle.PlateNo) message.PlateNo = `${vehicle.PlateNo.slice(0, -1)}?`
  if (befalls('oddColour')) message.PlateColor = '47'
  if (befalls('noTime')) delete message.PassTime
  if (befalls('numbersAsText')) {
    message = Object.fromEntries(
      Object.entries(message).map(([name, value]) => [
        name,
        typeof value === 'number' ? String(value) : value,
      ]),
    )
  }
  return befalls('noJson') ? JSON.stringify(message).slice(0, -9) : message
}
