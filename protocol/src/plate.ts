/** How a plate is written before it is hashed, so that the same plate is the same text wherever it comes from. */

export interface Plate {
  /** Upper case, without spaces and separators. */
  text: string
  /** False if not every character could be read: such a plate has no hash, since it would match nothing. */
  isComplete: boolean
}

/** What devices write for a vehicle whose plate they did not find. */
const NO_PLATE = new Set([
  '无车牌',
  '无牌',
  '无牌车',
  '未识别',
  '未知',
  '车牌',
  'UNKNOWN',
  'NONE',
  'NULL',
  'NOPLATE',
])

/** `undefined` for the many ways to say that there is no plate. */
export function readPlate(input: string | undefined): Plate | undefined {
  if (input === undefined) return undefined
  const text = input
    .normalize('NFKC')
    .toUpperCase()
    .replace(/[\s·•.・-]/gu, '')
  if (text === '' || NO_PLATE.has(text) || /^[0*?_X]+$/.test(text)) return undefined
  return { text: text.slice(0, 20), isComplete: !/[*?#_]/.test(text) && text.length >= 5 }
}
