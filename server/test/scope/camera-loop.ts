/** An edge that shows what the hub asks for, live or recorded: one short clip, over and over, on a clock that goes on. */
import { execFile } from 'node:child_process'
import { type ClientRequest, request } from 'node:http'
import { promisify } from 'node:util'
import type { HistoryCommand, RelayCommand } from '@patrolhub/protocol'
import {
  encodeFlvHeader,
  encodeFlvTag,
  FlvReader,
  type FlvTag,
  payloadOf,
  readVideoPacket,
} from '@patrolhub/protocol/flv'

const PICTURE_MS = 50

/** Tags of one second of video at 20 pictures a second, a key frame every quarter of it. */
export async function makeClip(): Promise<FlvTag[]> {
  const source = ['-f', 'lavfi', '-i', 'testsrc2=size=160x120:rate=20:duration=1']
  const codec = ['-c:v', 'libx264', '-preset', 'ultrafast', '-tune', 'zerolatency', '-pix_fmt', 'yuv420p']
  const args = ['-nostdin', '-v', 'error', ...source, ...codec, '-g', '5', '-f', 'flv', 'pipe:1']
  const { stdout } = await promisify(execFile)('ffmpeg', args, { encoding: 'buffer' })
  return new FlvReader({ maxTagBytes: 1024 * 1024 }).push(stdout).filter(({ kind }) => kind === 'video')
}

export class CameraLoop {
  readonly #hub: { url: string; authorization: string }
  readonly #clip: readonly FlvTag[]
  readonly #running = new Map<string, { post: ClientRequest; timer: NodeJS.Timeout }>()

  /** Questions that it was asked and whose answer was taken. */
  answered = 0

  constructor(hub: { url: string; authorization: string }, clip: readonly FlvTag[]) {
    this.#hub = hub
    this.#clip = clip
  }

  obey(command: RelayCommand): void {
    if (command.action === 'stop') this.#stop(command.cameraId)
    else if (!this.#running.has(command.cameraId)) this.#start(command.cameraId, command.publishPath, 0)
  }

  /** Everything that is asked for is recorded. */
  answer(command: HistoryCommand): void {
    if (command.action === 'stop') this.#stop(command.askId)
    else if (command.action === 'play') {
      this.#start(command.askId, command.answerPath, command.atMs - command.fromMs)
    } else if (command.action === 'list') {
      const { fromMs, toMs } = command
      const body = JSON.stringify({ stretches: [{ fromMs, toMs }] })
      const headers = { authorization: this.#hub.authorization, 'content-type': 'application/json' }
      void fetch(this.#hub.url + command.answerPath, { method: 'POST', headers, body }).then(({ ok }) => {
        if (ok) this.answered += 1
      })
    }
  }

  close(): void {
    for (const cameraId of [...this.#running.keys()]) this.#stop(cameraId)
  }

  #start(id: string, path: string, beginMs: number): void {
    const { url, authorization } = this.#hub
    const headers = { authorization, 'content-type': 'video/x-flv' }
    const post = request(url + path, { method: 'POST', headers, agent: false })
    const header = this.#clip.find((tag) => readVideoPacket(tag).role === 'sequence-header')!
    const pictures = this.#clip.filter((tag) => readVideoPacket(tag).role.endsWith('frame'))
    post.on('error', () => this.#stop(id))
    post.on('close', () => this.#stop(id))
    post.on('response', (response) => response.resume())
    post.write(encodeFlvHeader({ audio: false, video: true }))
    post.write(header.bytes)
    let index = 0
    const timer = setInterval(() => {
      const picture = pictures[index % pictures.length]!
      if (post.writable)
        post.write(encodeFlvTag('video', beginMs + index * PICTURE_MS, payloadOf(picture)).bytes)
      index += 1
    }, PICTURE_MS)
    this.#running.set(id, { post, timer })
  }

  #stop(id: string): void {
    const running = this.#running.get(id)
    if (!running) return
    this.#running.delete(id)
    clearInterval(running.timer)
    running.post.destroy()
  }
}
