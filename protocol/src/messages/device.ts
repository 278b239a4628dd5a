/**
 * What devices send to the edge. Passages use the names of GA/T 1400 `MotorVehicle` and are read leniently (see the
 * edge's intake); here stands the strict form that our simulator and exports emit.
 */
import { type Static, Type } from 'typebox'
import { EpochMs } from '../units.ts'

/** Strict GA/T 1400 form of a passage. `PassTime` is yyyyMMddHHmmss in the station's local time. */
export const MotorVehicle = Type.Object({
  MotorVehicleID: Type.Optional(Type.String({ maxLength: 48 })),
  TollgateID: Type.String({ maxLength: 64 }),
  LaneNo: Type.Integer({ minimum: 0, maximum: 99 }),
  PassTime: Type.String({ pattern: '^\\d{14}(\\d{3})?$' }),
  PlateNo: Type.Optional(Type.String({ maxLength: 20 })),
  PlateColor: Type.Optional(Type.String({ maxLength: 20 })),
  VehicleClass: Type.Optional(Type.String({ maxLength: 20 })),
  Speed: Type.Optional(Type.Number({ minimum: 0, maximum: 400 })),
  Direction: Type.Optional(Type.String({ maxLength: 20 })),
})
export type MotorVehicle = Static<typeof MotorVehicle>

export const DeviceReading = Type.Object({
  atMs: Type.Optional(EpochMs),
  quantity: Type.String({ maxLength: 40 }),
  value: Type.Number(),
  unit: Type.Optional(Type.String({ maxLength: 16 })),
})
export type DeviceReading = Static<typeof DeviceReading>
