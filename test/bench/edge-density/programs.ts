/** The programs that the edge-density bench compares, each as a process of its own that reads the cameras. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { REPOSITORY } from '../../simulator/footage.ts'

export type Program = 'edge' | 'ffmpeg' | 'motion'

export interface Running {
  /** Roots of its process trees. */
  pids: number[]
  /** Why it ended before it was stopped; `undefined` while it runs. */
  failure(): string | undefined
  stop(): Promise<void>
}

const STOP_MS = 10_000

/** `folder` is empty, and the program's own. */
export function startProgram(program: Program, urls: readonly string[], folder: string): Running {
  switch (program) {
    case 'edge':
      return runAll([startEdge(urls, folder)])
    case 'ffmpeg':
      return runAll(urls.map(startFfmpeg))
    case 'motion':
      return runAll(urls.map((url, index) => startMotion(url, join(folder, `camera-${index + 1}`))))
  }
}

function runAll(children: ChildProcess[]): Running {
  let said = ''
  let isStopping = false
  let failure: string | undefined
  for (const child of children) {
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      said = (said + text).slice(-1500)
    })
    child.on('error', (error) => {
      failure ??= error.message
    })
    child.on('exit', (code, signal) => {
      if (!isStopping) failure ??= `${child.spawnfile} ended with ${code ?? signal}: ${said}`
    })
  }
  return {
    pids: children.flatMap(({ pid }) => pid ?? []),
    failure: () => failure,
    stop: async () => {
      isStopping = true
      await Promise.all(children.map(stopChild))
    },
  }
}

async function stopChild(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'exit')
  child.kill('SIGTERM')
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS)
  await ended
  clearTimeout(timer)
}

/** The whole edge, with a hub that is away: it records, detects, follows, judges and journals. */
function startEdge(urls: readonly string[], folder: string): ChildProcess {
  const corners = [
    [0, 0],
    [1, 0],
    [1, 1],
    [0, 1],
  ]
  const cameras = urls.map((url, index) => ({
    cameraId: `cam-${index + 1}`,
    name: `Camera ${index + 1}`,
    region: '410502003',
    sensitivity: 'public',
    url,
    rules: [{ kind: 'intrusion', name: 'Square', zone: corners, classes: ['person'], severity: 'major' }],
  }))
  const config = {
    edgeId: 'edge-1',
    region: '410502',
    dataDir: 'data',
    hub: { url: 'http://127.0.0.1:9', mqttUrl: 'mqtt://127.0.0.1:9', token: 'no-hub-is-there-now' },
    intake: { host: '127.0.0.1', port: 0 },
    healthSeconds: 10,
    cameras,
  }
  const file = join(folder, 'edge.yaml')
  writeFileSync(file, stringify(config))
  const main = join(REPOSITORY, 'edge', 'src', 'main.ts')
  return spawn(process.execPath, [main, '--config', file], { stdio: ['ignore', 'ignore', 'pipe'] })
}

/** Decodes every picture and gives five a second of a detector's size, which it throws away. */
function startFfmpeg(url: string): ChildProcess {
  const size = 'fps=5,scale=416:256:force_original_aspect_ratio=decrease:flags=bilinear'
  return spawn(
    'ffmpeg',
    [
      ...['-nostdin', '-v', 'error', '-rtsp_transport', 'tcp', '-threads', '1', '-i', url, '-map', '0:v:0'],
      ...[
        '-vf',
        `${size},pad=416:256`,
        '-pix_fmt',
        'bgr24',
        '-threads',
        '1',
        '-f',
        'rawvideo',
        '/dev/null',
        '-y',
      ],
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  )
}

/**
 * Looks for changed pixels in every picture, and does nothing about them. One process a camera: with several in one it
 * reads some of them late or never.
 */
function startMotion(url: string, folder: string): ChildProcess {
  mkdirSync(folder)
  const lines = [
    'log_level 3',
    'webcontrol_port 0',
    'stream_port 0',
    'picture_output off',
    'movie_output off',
    `target_dir ${folder}`,
    `netcam_url ${url}`,
    'width 1920',
    'height 1080',
    'framerate 25',
  ]
  const file = join(folder, 'motion.conf')
  writeFileSync(file, `${lines.join('\n')}\n`)
  return spawn('motion', ['-n', '-c', file], { stdio: ['ignore', 'ignore', 'pipe'] })
}
