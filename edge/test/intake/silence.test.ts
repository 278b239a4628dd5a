import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type AlertRecord, parser, RECORD_SCHEMAS } from '@patrolhub/protocol'
import { pino } from 'pino'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { SilenceWatch } from '../../src/intake/silence.ts'

const HOUR_MS = 3_600_000
const device = {
  deviceId: 'gate',
  deviceKind: 'checkpoint',
  name: 'Gate',
  region: '410502003',
  silence: { isOn: true, minSeconds: 60, severity: 'major' },
} as const

let folder: string
let nowMs: number
let alerts: AlertRecord[]

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'patrolhub-silence-'))
  nowMs = 0
  alerts = []
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

function watch(overrides: Partial<typeof device.silence> = {}): SilenceWatch {
  return new SilenceWatch({
    devices: [{ ...device, silence: { ...device.silence, ...overrides } }],
    file: join(folder, 'habits.json'),
    raise: async (alert) => void alerts.push(alert),
    log: pino({ level: 'silent' }),
    clock: { nowMs: () => nowMs, wallMs: () => 1_800_000_000_000 + nowMs },
    checkEveryMs: HOUR_MS,
  })
}

function send(silence: SilenceWatch, everyMs: number, forMs: number): void {
  for (const endMs = nowMs + forMs; nowMs < endMs; nowMs += everyMs) {
    silence.heard('gate')
    silence.check()
  }
}

/** Looks once a second. */
function wait(silence: SilenceWatch, forMs: number): void {
  for (const endMs = nowMs + forMs; nowMs < endMs; nowMs += 1000) silence.check()
}

describe('a device that stops sending', () => {
  it('raises one alert with its reason, and a note when it is back', () => {
    const silence = watch()
    send(silence, 1000, HOUR_MS)
    wait(silence, 59_000)
    expect(alerts).toEqual([])
    wait(silence, HOUR_MS)
    expect(alerts).toHaveLength(1)
    silence.heard('gate')
    nowMs += 1000
    silence.heard('gate')
    expect(alerts.map(({ severity, facts }) => [severity, facts.state])).toEqual([
      ['major', 'silent'],
      ['info', 'back'],
    ])
    for (const alert of alerts) expect(parser(RECORD_SCHEMAS.alert)(alert)).toMatchObject({ ok: true })
    expect(alerts[0]!.reason).toMatch(
      /^Gate has sent nothing for 6\d s; its longest usual gap at this hour is 1 s\.$/,
    )
    expect(alerts[1]!.reason).toMatch(/^Gate sends again after 36\d\d s of silence\.$/)
  })

  it('is not missed while it does what it does at this hour every day', () => {
    const silence = watch()
    for (let day = 0; day < 4; day++) {
      // Busy for twelve hours, then one message every half hour.
      send(silence, 5000, 12 * HOUR_MS)
      for (let gap = 0; gap < 24; gap++) {
        wait(silence, HOUR_MS / 2)
        silence.heard('gate')
      }
      if (day === 0) alerts.length = 0
    }
    expect(alerts.filter(({ facts }) => facts.state === 'silent').length).toBeLessThanOrEqual(1)
    alerts.length = 0
    send(silence, 5000, 6 * HOUR_MS)
    wait(silence, 300_000)
    expect(alerts, 'but by day it is missed after a minute or so').toHaveLength(1)
  })

  it('keeps what it learned over a restart, and the time while the edge was off counts for nobody', async () => {
    const before = watch()
    await before.start()
    send(before, 1000, HOUR_MS)
    await before.close()
    expect(Object.keys(JSON.parse(readFileSync(join(folder, 'habits.json'), 'utf8')))).toEqual(['gate'])
    nowMs += 10 * HOUR_MS
    const after = watch()
    await after.start()
    wait(after, 50_000)
    expect(alerts).toEqual([])
    wait(after, 20_000)
    expect(alerts, 'it has not come back').toHaveLength(1)
    await after.close()
    const again = watch()
    await again.start()
    wait(again, HOUR_MS)
    expect(alerts, 'and is told of once').toHaveLength(1)
    await again.close()
  })

  it('is not missed if it never sent anything, if its rule is off, or if the file is damaged', async () => {
    writeFileSync(join(folder, 'habits.json'), '{"gate":{"hours":"many"')
    const silence = watch()
    await silence.start()
    wait(silence, HOUR_MS)
    await silence.close()
    const off = watch({ isOn: false as true })
    send(off, 1000, HOUR_MS)
    wait(off, HOUR_MS)
    expect(alerts).toEqual([])
  })
})
