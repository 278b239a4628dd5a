/**
 * The ffmpeg of one camera: one RTSP connection, two outputs. Analysis frames go to standard output (unless they are
 * decoded elsewhere, see needed-decoding.ts), the compressed stream goes untouched to a socket (with a privacy mask:
 * coded anew). What keeps a frame from waiting inside ffmpeg, each measured at 5 frames/s:
 *   - `threads 1` on the decoder and on the *raw video encoder*, which otherwise holds each frame back until the next
 *     one comes (200 ms here);
 *   - `select` by time instead of the `fps` filter, which needs the next frame to decide on one;
 *   - `flush_packets 1`, so that no part of a picture stays in a buffer;
 *   - `fpsprobesize 0` and `max_ts_probe 0`: the stream begins as soon as its parameters are known, not after a second
 *     of guessing.
 */
import type { Writable } from 'node:stream'
import type { NormPoint } from '@patrolhub/protocol'
import ffmpeg, { type FfmpegCommand } from 'fluent-ffmpeg'
import type { FrameFormat } from './frame.ts'
import { maskFilter } from './privacy-mask.ts'

/** How the compressed stream leaves ffmpeg; `none` for a codec that neither container takes. */
export type Container = 'flv' | 'mpegts' | 'none'

export interface CaptureCommandOptions {
  url: string
  analysisFps: number
  format: FrameFormat
  transport: 'tcp' | 'udp'
  container: Container
  /** The camera has to answer and to send within this time, ms. */
  ioTimeoutMs: number
  /** Takes the analysis frames; without it nothing is decoded. */
  frames: Writable | undefined
  /**
   * Begins with the second key frame instead of the first. libavformat gives the first picture of an RTSP stream no
   * time, and a muxer cannot guess it when pictures are reordered (B-frames).
   */
  skipsFirstGroup: boolean
  /** Unix socket that takes the compressed stream. */
  socketPath: string
  /**
   * Areas that nobody may see. With any, no packet of the camera is passed on: the pictures are decoded, covered, and
   * coded anew as H.264, for whatever leaves this process. If that fails there is no stream at all.
   */
  masks: readonly (readonly NormPoint[])[]
}

/** Seconds between key frames of a stream that is coded here: a player or a clip begins with one. */
const GROUP_SECONDS = 2

/**
 * Takes the first frame of each slot of 1/fps seconds: the mean rate is exact for any camera, and a frame never has
 * to wait for the next. 1 ms of slack, because times are rounded to the camera's clock.
 */
function selectByTime(fps: number): string {
  return `select='isnan(prev_selected_t)+gt(floor(t*${fps}+0.001*${fps})\\,floor(prev_selected_t*${fps}+0.001*${fps}))'`
}

/** Filters from a decoded picture to the detector's frame; `showinfo` tells the time and size before the padding. */
export function analysisFilters(format: FrameFormat, fps: number): string {
  const { widthPx: w, heightPx: h } = format
  const grey = format.padding.toString(16).padStart(2, '0')
  return [
    selectByTime(fps),
    `scale=${w}:${h}:force_original_aspect_ratio=decrease:flags=bilinear`,
    `format=${pixelFormat(format)}`,
    'showinfo=checksum=0',
    `pad=${w}:${h}:0:0:color=0x${grey}${grey}${grey}`,
  ].join(',')
}

export function pixelFormat(format: FrameFormat): 'bgr24' | 'rgb24' {
  return format.channels === 'BGR' ? 'bgr24' : 'rgb24'
}

/** Everything that comes out of ffmpeg comes out of the mask. */
function maskedFilters(masks: CaptureCommandOptions['masks'], analysis: string): string[] {
  return [
    `[0:v:0]format=yuv420p,${maskFilter(masks)},split=2[seen][sent]`,
    `[seen]${analysis}[frames]`,
    '[sent]null[masked]',
  ]
}

/** As little work as keeps the picture readable, and no picture held back. Times are those of the camera's pictures. */
export const H264_CODING: readonly string[] = [
  ...['-c:v', 'libx264', '-preset', 'superfast', '-tune', 'zerolatency', '-threads', '1'],
  ...['-crf', '24', '-maxrate', '6M', '-bufsize', '6M', '-g', '250'],
  ...['-force_key_frames', `expr:gte(t,n_forced*${GROUP_SECONDS})`],
  ...['-fps_mode', 'passthrough', '-enc_time_base', '-1'],
]

export function captureCommand(options: CaptureCommandOptions): FfmpegCommand {
  const command = ffmpeg({ stdoutLines: 40 })
    .input(options.url)
    .inputOptions([
      '-hide_banner',
      '-nostdin',
      '-nostats',
      '-loglevel info',
      `-rtsp_transport ${options.transport}`,
      // Sound is never asked for.
      '-allowed_media_types video',
      `-timeout ${options.ioTimeoutMs * 1000}`,
      '-flags low_delay',
      // What was read to find the parameters of the stream, its first key frame, is then thrown away.
      ...(options.skipsFirstGroup ? ['-fflags nobuffer'] : []),
      '-fpsprobesize 0',
      '-max_ts_probe 0',
      '-analyzeduration 10000000',
      '-threads 1',
    ])
  const analysis = analysisFilters(options.format, options.analysisFps)
  const isMasked = options.masks.length > 0
  if (isMasked) command.complexFilter(maskedFilters(options.masks, analysis))
  if (options.frames) {
    command
      .output(options.frames)
      .outputOptions(['-fps_mode passthrough', '-threads 1', '-flush_packets 1'])
      .outputOptions(isMasked ? ['-map', '[frames]'] : ['-map', '0:v:0', '-vf', analysis])
      .outputOptions('-pix_fmt', pixelFormat(options.format))
      .format('rawvideo')
  }
  if (options.container === 'none') return command
  command
    .output(`unix:${options.socketPath}`)
    .outputOptions(['-map_metadata -1', '-avoid_negative_ts disabled', '-flush_packets 1'])
    .outputOptions(isMasked ? ['-map', '[masked]', ...H264_CODING] : ['-map', '0:v:0', '-c', 'copy'])
    .format(options.container)
  if (options.container === 'flv') return command.outputOptions(['-flvflags no_duration_filesize'])
  // The times of the pictures unchanged, and what a decoder needs in front of every key frame.
  return command.outputOptions(['-mpegts_copyts 1', '-muxdelay 0', '-mpegts_flags pat_pmt_at_frames'])
}
