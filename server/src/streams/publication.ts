/**
 * One publisher's connection: FLV as an edge sends it goes, checked, into the media server and comes back out of it.
 * Script tags stay outside: nobody needs what they say, and the media server reads them without any care. Memory is
 * bounded: when the media server does not take more, nothing more is read from the edge.
 */
import { type ClientRequest, request as httpRequest, type IncomingMessage } from 'node:http'
import type { Readable } from 'node:stream'
import { encodeFlvHeader, type FlvContents, FlvError, FlvReader, type FlvTag } from '@patrolhub/protocol/flv'
import { HubError } from '../errors.ts'
import type { MediaAddress } from './media-server.ts'

/** What the media server still has when the edge is done takes this long at most to come out. */
const DRAIN_MS = 200

export interface PublicationOptions {
  source: Readable
  /** Called when the source has proved to be FLV. May throw. */
  newAddress(): MediaAddress
  maxTagBytes: number
  /** Once, before the first tag. */
  onBegin(contains: FlvContents): void
  onTag(tag: FlvTag): void
}

/** `error` is what the publisher did wrong or is to be told; without it the publisher ended or vanished by itself. */
export interface PublicationEnd {
  why: string
  error?: HubError
}

export class Publication {
  readonly ended: Promise<PublicationEnd>
  readonly #options: PublicationOptions
  readonly #reader: FlvReader
  readonly #resolve: (end: PublicationEnd) => void
  #into: ClientRequest | undefined
  #outOf: ClientRequest | undefined
  #isOver = false
  #lastDataMs = performance.now()

  constructor(options: PublicationOptions) {
    this.#options = options
    this.#reader = new FlvReader(options)
    const { promise, resolve } = Promise.withResolvers<PublicationEnd>()
    this.ended = promise
    this.#resolve = resolve
  }

  /** How long nothing has come, ms. `nowMs`: monotonic. */
  silentForMs(nowMs: number): number {
    return nowMs - this.#lastDataMs
  }

  start(): void {
    const { source } = this.#options
    source.on('data', (chunk: Buffer) => this.#take(chunk))
    source.once('end', () => this.#finish())
    source.once('error', (error) => this.#stop({ why: `the connection broke: ${error.message}` }))
    source.once('close', () => {
      if (!source.readableEnded) this.#stop({ why: 'the connection was closed' })
    })
  }

  /** Ends it with what the publisher is to be told. Idempotent. */
  stop(error: HubError): void {
    this.#stop({ why: error.message, error })
  }

  #stop(end: PublicationEnd): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#into?.destroy()
    this.#outOf?.destroy()
    // Whatever still comes is thrown away.
    this.#options.source.resume()
    this.#resolve(end)
  }

  #take(chunk: Buffer): void {
    if (this.#isOver) return
    this.#lastDataMs = performance.now()
    try {
      const tags = this.#reader.push(chunk)
      if (!this.#into && this.#reader.contains) this.#open(this.#reader.contains)
      this.#forward(tags.filter((tag) => tag.kind !== 'script'))
    } catch (error) {
      if (error instanceof HubError) this.stop(error)
      else if (error instanceof FlvError) {
        this.stop(new HubError('HUB_STREAM_FORMAT', error.message, { cause: error }))
      } else throw error
    }
  }

  #forward(tags: readonly FlvTag[]): void {
    const into = this.#into
    if (!into || tags.length === 0) return
    into.cork()
    let hasRoom = true
    for (const tag of tags) hasRoom = into.write(tag.bytes)
    into.uncork()
    if (hasRoom || !into.writableNeedDrain) return
    const { source } = this.#options
    source.pause()
    into.once('drain', () => source.resume())
  }

  #open(contains: FlvContents): void {
    const { newAddress, onBegin } = this.#options
    const address = newAddress()
    onBegin(contains)
    this.#outOf = this.#call(address, 'GET', (answer) => this.#playBack(answer))
    this.#outOf.end()
    // Whatever the media server answers to a publish, and it answers 200 to a refusal, it means the end.
    this.#into = this.#call(address, 'POST', () => this.#mediaEnded('closed the publish'))
    this.#into.write(encodeFlvHeader(contains))
  }

  #call(address: MediaAddress, method: string, onAnswer: (answer: IncomingMessage) => void): ClientRequest {
    const call = httpRequest({ ...address, method, agent: false })
    call.setNoDelay(true)
    call.on('response', onAnswer)
    call.on('error', (error) => this.#mediaEnded(error.message))
    return call
  }

  #playBack(answer: IncomingMessage): void {
    const { onTag, maxTagBytes } = this.#options
    const reader = new FlvReader({ maxTagBytes })
    answer.on('data', (chunk: Buffer) => {
      if (this.#isOver) return
      try {
        for (const tag of reader.push(chunk)) onTag(tag)
      } catch (error) {
        if (!(error instanceof FlvError)) throw error
        this.#mediaEnded(error.message)
      }
    })
    answer.on('error', (error) => this.#mediaEnded(error.message))
    answer.on('close', () => this.#mediaEnded('closed the play'))
  }

  #mediaEnded(why: string): void {
    this.stop(new HubError('HUB_MEDIA', `the media server ended the stream: ${why}`))
  }

  #finish(): void {
    if (this.#isOver) return
    if (!this.#into) {
      this.stop(new HubError('HUB_STREAM_FORMAT', 'the publisher sent no FLV'))
      return
    }
    this.#into.end(() => setTimeout(() => this.#stop({ why: 'the publisher ended' }), DRAIN_MS))
  }
}
