/** The record from the command line, as an auditor and an administrator use it. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { parseInvocation } from '../src/cli.ts'
import { runMain, startHubProcess, testEnv } from './support/hub.ts'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'patrolhub-record-cli-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

it('takes a fingerprint as people write it down, and names what is wrong on the command line', () => {
  const written = `${'AB:'.repeat(31)}ab`
  const parsed = parseInvocation(['audit', 'verify', 'x.jsonl', '--key', written]).command
  expect(parsed).toMatchObject({
    kind: 'audit verify',
    keyId: 'ab'.repeat(32),
    file: expect.stringMatching(/^\/.*x\.jsonl$/),
  })
  const times = ['audit', 'export', '--out', 'x', '--from', '2026-11-22', '--to', '2026-11-22T08:00:00Z']
  expect(parseInvocation(times).command).toMatchObject({
    fromMs: Date.UTC(2026, 10, 21, 16),
    toMs: Date.UTC(2026, 10, 22, 8),
  })
  for (const [words, what] of [
    [['verify', '--key', 'ff'], '64 hexadecimal'],
    [['verify', 'a', 'b'], 'no further words'],
    [['export'], 'needs --out'],
    [['export', '--out', 'x', '--from', 'yesterday'], '--from'],
    [['nothing'], 'no command'],
  ] as const) {
    expect(() => parseInvocation(['audit', ...words])).toThrow(what)
  }
})

it('is sealed when the hub stops, exported, checked elsewhere with a seal that was kept, and found cut and changed', async () => {
  const env = testEnv(join(folder, 'hub'))
  const hub = await startHubProcess(env)
  await hub.stop('SIGTERM')
  const sealed = hub.lines
    .map((line) => (line.startsWith('{') ? JSON.parse(line) : {}))
    .find(({ seal }) => seal)
  expect(sealed.seal).toMatchObject({ sealNo: 1 })
  const keptInLog = join(folder, 'log.json')
  await writeFile(keptInLog, JSON.stringify(sealed))

  const out = join(folder, 'record.jsonl')
  const exported = await runMain(['audit', 'export', '--out', out], env)
  expect(exported).toMatchObject({ code: 0, stdout: expect.stringContaining('entries, 1 to') })
  const [seal] = (await runMain(['audit', 'seal'], env)).stdout.split('\n')
  const kept = join(folder, 'seal.json')
  await writeFile(kept, seal!)
  const { keyId } = JSON.parse(seal!)

  // Without any setting of a hub, even with a wrong one.
  const elsewhere = { PATROLHUB_HTTP_PORT: 'nonsense' }
  const good = await runMain(
    ['audit', 'verify', out, '--key', keyId.toUpperCase(), '--since-seal', kept],
    elsewhere,
  )
  expect(good).toMatchObject({ code: 0, stdout: expect.stringMatching(/^the record is whole: \d+ entries/) })
  expect(good.stdout).toContain('not proven:')
  const lines = (await readFile(out, 'utf8')).split('\n')
  const changed = join(folder, 'changed.jsonl')
  await writeFile(changed, lines.join('\n').replace('user.created', 'user.changed'))
  const bad = await runMain(['audit', 'verify', changed, '--json'], elsewhere)
  expect(bad.code).toBe(1)
  expect(JSON.parse(bad.stdout)).toMatchObject({
    ok: false,
    line: expect.any(Number),
    seq: expect.any(Number),
  })
  // Somebody with the database takes away the newest seals and what they seal.
  const database = new DatabaseSync(join(folder, 'hub', 'hub.sqlite'))
  database.exec('delete from audit_seal where seal_no > 0; delete from audit where seq > 1')
  database.close()
  // The line of the log does as well.
  const cut = await runMain(['audit', 'verify', '--since-seal', keptInLog], env)
  expect(cut).toMatchObject({ code: 1, stderr: expect.stringContaining('was kept elsewhere, is not here') })
}, 60_000)
