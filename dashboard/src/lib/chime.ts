/** Short tones made by the browser itself: no sound file, nothing to fetch. */
import type { Severity } from '@patrolhub/protocol'

/** Hertz of the notes, one after the other; more and higher means more severe. */
const NOTES: Readonly<Record<Severity, readonly number[]>> = {
  info: [523],
  minor: [587, 587],
  major: [659, 784],
  critical: [880, 660, 880],
}
const NOTE_SECONDS = 0.16

let context: AudioContext | undefined

/** Plays the tone of a severity. Does nothing where the browser has no sound or has not been touched yet. */
export function chime(severity: Severity): void {
  if (typeof AudioContext === 'undefined') return
  context ??= new AudioContext()
  const audio = context
  // Refused until the person has touched the page: then there is simply no sound.
  void audio.resume().catch(() => {})
  NOTES[severity].forEach((hertz, index) => {
    const beginS = audio.currentTime + index * NOTE_SECONDS
    const tone = audio.createOscillator()
    const volume = audio.createGain()
    tone.frequency.value = hertz
    tone.type = 'sine'
    volume.gain.setValueAtTime(0, beginS)
    volume.gain.linearRampToValueAtTime(0.18, beginS + 0.02)
    volume.gain.linearRampToValueAtTime(0, beginS + NOTE_SECONDS)
    tone.connect(volume).connect(audio.destination)
    tone.start(beginS)
    tone.stop(beginS + NOTE_SECONDS)
  })
}
