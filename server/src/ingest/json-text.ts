/** JSON of something that an edge sent, or a word on why there is none: what nests very deeply cannot be written again. */
export function jsonText(value: unknown): string {
  try {
    return JSON.stringify(value) ?? ''
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    return '(nested too deeply to be shown)'
  }
}
