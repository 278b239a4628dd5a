/**
 * Who is registered. A registration is made with a digest and counts for the device's DeviceID and the address that it
 * came from, until the device unregisters or nothing has come for three keep-alives. Pure, told the time.
 */
interface Registration {
  address: string
  /** Monotonic clock. */
  untilMs: number
}

const MISSED_KEEPALIVES = 3

export class Registrations {
  readonly #lastsMs: number
  readonly #byId = new Map<string, Registration>()

  constructor(keepaliveSeconds: number) {
    this.#lastsMs = keepaliveSeconds * 1000 * MISSED_KEEPALIVES
  }

  register(viidDeviceId: string, address: string, nowMs: number): void {
    this.#byId.set(viidDeviceId, { address, untilMs: nowMs + this.#lastsMs })
  }

  /** True if the device is registered and this is its address; then it counts as heard. */
  renew(viidDeviceId: string, address: string, nowMs: number): boolean {
    const registration = this.#byId.get(viidDeviceId)
    if (registration?.address !== address || nowMs >= registration.untilMs) return false
    registration.untilMs = nowMs + this.#lastsMs
    return true
  }

  isRegistered(viidDeviceId: string, nowMs: number): boolean {
    return nowMs < (this.#byId.get(viidDeviceId)?.untilMs ?? 0)
  }

  remove(viidDeviceId: string): void {
    this.#byId.delete(viidDeviceId)
  }
}
