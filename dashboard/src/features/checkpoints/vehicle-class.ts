import type { TFunction } from 'i18next'

/** A vehicle class of GA 24.4 in words: its own name, else that of its group (the first two characters), else the code. */
export function vehicleClassLabel(vehicleClass: string | undefined, t: TFunction): string {
  if (vehicleClass === undefined || vehicleClass === '') return '–'
  return t([`vehicleClass.${vehicleClass}`, `vehicleClass.${vehicleClass.slice(0, 2)}`], {
    defaultValue: vehicleClass,
  })
}
