import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { assetsFolder, findFootage, prepareFootage, REPOSITORY } from './footage.ts'
import { openCvClip } from './opencv-doc.ts'

const folder = mkdtempSync(join(tmpdir(), 'patrolhub-footage-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe('footage', () => {
  it('named by the user comes before everything else, and has to exist', async () => {
    const file = join(folder, 'mine.mp4')
    writeFileSync(file, 'x')
    expect(await findFootage({ videos: [file] })).toEqual([{ name: 'mine', file, source: 'option' }])
    await expect(findFootage({ videos: [join(folder, 'other.mp4')] })).rejects.toThrow(/other\.mp4/)
  })

  it('that is no video is refused by name', async () => {
    const file = join(folder, 'broken.mp4')
    writeFileSync(file, 'this is no video')
    await expect(prepareFootage({ name: 'broken', file, source: 'option' })).rejects.toThrow(
      /broken\.mp4 is not a video/,
    )
  })

  it('is rendered where there is none, and is converted into a clip that can be looped', async () => {
    const [rendered] = await findFootage({ without: ['assets', 'opencv-doc'] })
    expect(rendered?.source).toBe('rendered')
    const { clip, fps } = await prepareFootage(rendered!)
    expect(clip.units.length).toBe(20 * fps)
    expect(clip.units.flatMap((unit, index) => (unit.isKey ? [index % fps] : []))).toEqual(Array(20).fill(0))
  })

  it.skipIf(!existsSync(assetsFolder()))('comes from the assets folder where there is one', async () => {
    const found = await findFootage()
    expect(found.map((each) => each.source)).toContain('assets')
    expect(found[0]!.name).toBe('vtest')
  })

  it.skipIf(!existsSync('/usr/bin/apt-get'))(
    "of pedestrians is taken out of Debian's opencv-doc package",
    async () => {
      // The cache of the demo: downloaded once, its content checked every time.
      const file = await openCvClip(join(REPOSITORY, '.cache', 'footage'))
      expect(existsSync(file)).toBe(true)
    },
    180_000,
  )
})
