/**
 * Reads MQTT fixed headers (MQTT 3.1.1, section 2.2) off a byte stream, in front of the parser, which would otherwise
 * collect a packet of up to 256 MB before anybody could object. Bytes go in as they come; nothing is kept but a count.
 */
export class PacketGuard {
  #maxBytes: number
  /** Bytes of the current packet's body that are still to come. */
  #bodyLeft = 0
  /** Position inside a fixed header: 0 before its first byte, then one for each byte of the remaining length. */
  #headerByte = 0
  #length = 0

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  set maxBytes(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  /** Looks at the next bytes of the stream. Answers what is wrong, or `undefined` if they may go on to the parser. */
  check(bytes: Uint8Array): string | undefined {
    let at = 0
    while (at < bytes.length) {
      if (this.#bodyLeft > 0) {
        const skipped = Math.min(this.#bodyLeft, bytes.length - at)
        this.#bodyLeft -= skipped
        at += skipped
        continue
      }
      const byte = bytes[at++]!
      if (this.#headerByte === 0) {
        this.#headerByte = 1
        this.#length = 0
        continue
      }
      // Section 2.2.3: seven bits a byte, least significant first, the top bit says that another byte follows.
      this.#length += (byte & 0x7f) * 128 ** (this.#headerByte - 1)
      if (this.#length > this.#maxBytes) {
        return `a packet of at least ${this.#length} bytes; at most ${this.#maxBytes} are taken`
      }
      if ((byte & 0x80) === 0) {
        this.#bodyLeft = this.#length
        this.#headerByte = 0
      } else if (++this.#headerByte > 4) {
        return 'a remaining length of more than four bytes'
      }
    }
    return undefined
  }
}
