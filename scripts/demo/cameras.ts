/** The simulated cameras of the demo: footage, the scene it shows, and a camera that serves it. */
import { findFootage, type PreparedFootage, prepareFootage } from '../../test/simulator/footage.ts'
import { RtspCamera } from '../../test/simulator/rtsp-camera.ts'
import { type Scene, scenesFor } from './scenes.ts'

export interface DemoCamera {
  cameraId: string
  scene: Scene
  source: PreparedFootage['source']
  camera: RtspCamera
}

export interface CamerasOptions {
  videos: readonly string[]
  /** Two cores carry this many with the embedded detector. */
  maxCameras: number
  onLine: (line: string) => void
}

/** Finds and converts the footage and starts a camera for each scene in it. */
export async function startCameras({ videos, maxCameras, onLine }: CamerasOptions): Promise<DemoCamera[]> {
  const found = await findFootage({ videos, onProgress: onLine })
  const cameras: DemoCamera[] = []
  try {
    for (const [index, footage] of found.entries()) {
      if (cameras.length >= maxCameras) break
      const prepared = await prepareFootage(footage, onLine)
      for (const scene of scenesFor(footage.name, index)) {
        if (cameras.length >= maxCameras) break
        cameras.push(await startCamera(prepared, scene, cameras.length + 1))
      }
    }
  } catch (error) {
    await Promise.all(cameras.map(({ camera }) => camera.close()))
    throw error
  }
  return cameras
}

async function startCamera(footage: PreparedFootage, scene: Scene, number: number): Promise<DemoCamera> {
  const { clip, fps, source } = footage
  const camera = new RtspCamera({
    clip,
    fps,
    path: `/camera-${number}`,
    startSeconds: scene.startSeconds,
    // As real cameras ask for them.
    credentials: { scheme: 'digest', username: 'edge', password: `demo-camera-${number}` },
  })
  await camera.start()
  return { cameraId: `cam-${String(number).padStart(2, '0')}`, scene, source, camera }
}
