import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { Box } from './box.ts'

it('the box says how hot it is, and how much is free', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'patrolhub-box-'))
  try {
    for (const [zone, text] of [
      ['thermal_zone0', '48500\n'],
      ['thermal_zone1', '61250\n'],
      ['thermal_zone2', '-273150\n'],
      ['cooling_device0', '99000\n'],
    ] as const) {
      await mkdir(join(folder, zone))
      await writeFile(join(folder, zone, 'temp'), text)
    }
    await mkdir(join(folder, 'thermal_zone3'))
    const box = new Box(folder, folder)
    const health = await box.health()
    expect(health.temperatureC).toBe(61.3)
    expect(health.memoryFreeMb).toBeGreaterThan(0)
    expect(health.memoryFreeMb).toBeLessThanOrEqual(health.memoryTotalMb)
    expect(health.diskFreeMb).toBeLessThanOrEqual(health.diskTotalMb!)
    const endAt = performance.now() + 50
    while (performance.now() < endAt) Math.sqrt(performance.now())
    const { cpuPercent } = await box.health()
    expect(cpuPercent).toBeGreaterThan(0)
    expect(cpuPercent).toBeLessThanOrEqual(100)
    expect(await new Box(folder, join(folder, 'none')).health()).not.toHaveProperty('temperatureC')
    expect(await new Box(join(folder, 'none'), folder).health()).not.toHaveProperty('diskFreeMb')
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
})
