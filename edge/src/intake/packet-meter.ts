/**
 * Measures MQTT packets before the parser collects them: the parser would take one of up to 256 MB. Reads only the
 * fixed headers (MQTT 3.1.1, section 2.2) out of the byte stream and keeps nothing but counts.
 */
export class PacketMeter {
  #limitBytes: number
  #bodyBytesLeft = 0
  #lengthBytesSeen = -1
  #length = 0

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes
  }

  set limitBytes(bytes: number) {
    this.#limitBytes = bytes
  }

  /** Takes the next bytes of the stream; false as soon as a header announces more than the limit or is not MQTT. */
  accepts(bytes: Uint8Array): boolean {
    for (let at = 0; at < bytes.length; ) {
      if (this.#bodyBytesLeft > 0) {
        const skipped = Math.min(this.#bodyBytesLeft, bytes.length - at)
        this.#bodyBytesLeft -= skipped
        at += skipped
      } else if (!this.#acceptsHeaderByte(bytes[at++]!)) {
        return false
      }
    }
    return true
  }

  #acceptsHeaderByte(byte: number): boolean {
    if (this.#lengthBytesSeen < 0) {
      this.#lengthBytesSeen = 0
      this.#length = 0
      return true
    }
    // Section 2.2.3: seven bits a byte, least significant first; the top bit says that another byte follows.
    this.#length += (byte & 0x7f) * 128 ** this.#lengthBytesSeen
    this.#lengthBytesSeen += 1
    if (this.#length > this.#limitBytes) return false
    if (byte >= 0x80) return this.#lengthBytesSeen < 4
    this.#bodyBytesLeft = this.#length
    this.#lengthBytesSeen = -1
    return true
  }
}
