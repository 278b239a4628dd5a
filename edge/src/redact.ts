/** Takes user name and password out of every address in a text; of an odd address rather too much than too little. */
export function redact(text: string): string {
  return text.replace(/([a-z][a-z0-9+.-]*:\/\/)\S*@/gi, '$1***@')
}
