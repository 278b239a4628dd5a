/// <reference lib="dom" />
/**
 * Pages of the dashboard on a hub of its own, in real Chromium: the first sign-in with its second factor, roles and users,
 * one's own sessions, an emergency plan, a camera outside the scope, and live video where HTTP brings no picture.
 */
import { createHmac } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { type CameraPolicy, edgeTopics, type RelayCommand } from '@patrolhub/protocol'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { PlateKeyRing } from '../../server/src/access/plate-keys.ts'
import { hotp, stepAt } from '../../server/src/access/totp.ts'
import { openRelational } from '../../server/src/adapters/relational/open.ts'
import type { Relational } from '../../server/src/ports/relational.ts'
import { CameraLoop, makeClip } from '../../server/test/scope/camera-loop.ts'
import { addAccount, openSession } from '../../server/test/support/accounts.ts'
import { camera, EdgeClient, passage } from '../../server/test/support/edge-client.ts'
import { silent, startTestHub, type TestHub } from '../../server/test/support/hub.ts'
import { collectProblems, launchChromium } from '../support/browser.ts'

const REGION = '410502003'
const PLATE_KEYS = `1:${'a1'.repeat(32)}`
const HASH_KEY = '5e'.repeat(32)
const PASSWORD = 'chosen for the pages 2026'
let hub: TestHub
let browser: Browser
let store: Relational
let edge: EdgeClient
let loop: CameraLoop
/** The administrator, signed in with a second factor. */
let office: { context: BrowserContext; page: Page }
const contexts: BrowserContext[] = []

beforeAll(async () => {
  const dashboard = resolve(import.meta.dirname, '../../dashboard/dist')
  const requires = { PATROLHUB_REQUIRE_SECOND_FACTOR_FOR: 'supervisor,administrator,auditor' }
  const [started, chromium, clip] = await Promise.all([
    startTestHub({
      PATROLHUB_DASHBOARD_DIR: dashboard,
      PATROLHUB_PLATE_KEYS: PLATE_KEYS,
      PATROLHUB_PLATE_HASH_KEY: HASH_KEY,
      ...requires,
    }),
    launchChromium(),
    makeClip(),
  ])
  hub = started
  browser = chromium
  store = await openRelational(hub.config, silent)
  const token = await hub.addEdge('edge-1', REGION)
  edge = await EdgeClient.connect({ port: hub.mqttPort, edgeId: 'edge-1', token })
  const authorization = `Basic ${Buffer.from(`edge-1:${token}`).toString('base64')}`
  loop = new CameraLoop({ url: hub.url, authorization }, clip)
  await edge.mqtt.subscribeAsync(edgeTopics.relay('edge-1'), { qos: 1 })
  edge.mqtt.on('message', (topic, payload) => {
    if (topic === edgeTopics.relay('edge-1')) loop.obey(JSON.parse(payload.toString()) as RelayCommand)
  })
  const public_ = { region: REGION, sensitivity: 'public' } as const
  await edge.hello({
    region: REGION,
    cameras: [camera('gate', public_), camera('yard', public_)],
    checkpoints: [{ checkpointId: 'north', name: 'North gate', region: REGION, lanes: 2 }],
  })
}, 60_000)
afterAll(async () => {
  for (const context of contexts) await context.close()
  await browser?.close()
  loop?.close()
  await edge?.close()
  await store?.close()
  await hub?.close()
}, 60_000)

async function visit(
  cookies: Parameters<BrowserContext['addCookies']>[0] = [],
): Promise<{ context: BrowserContext; page: Page }> {
  const context = await browser.newContext({ locale: 'en-GB', viewport: { width: 1500, height: 900 } })
  contexts.push(context)
  await context.addCookies(cookies)
  const page = await context.newPage()
  page.setDefaultTimeout(20_000)
  await page.goto(hub.url)
  return { context, page }
}

async function fillSignIn(page: Page, username: string, password: string): Promise<void> {
  await page.getByLabel('User name').fill(username)
  await page.getByLabel('Password').fill(password)
  await page.getByRole('button', { name: 'Sign in' }).click()
}

async function replacePassword(page: Page, oneTimePassword: string): Promise<void> {
  await page.getByLabel('One-time password').fill(oneTimePassword)
  await page.getByLabel('New password', { exact: true }).fill(PASSWORD)
  await page.getByLabel('New password, again').fill(PASSWORD)
  await page.getByRole('button', { name: 'Set password' }).click()
}

/** As the page would ask, with the cookie of its context. */
async function ask<T>(method: 'GET' | 'POST' | 'PUT', path: string, data?: unknown): Promise<T> {
  const headers = { 'x-patrolhub': '1' }
  const answer = await office.context.request.fetch(hub.url + path, { method, headers, data })
  if (!answer.ok()) throw new Error(`${method} ${path}: ${answer.status()} ${await answer.text()}`)
  return answer.json()
}

/** An operator who is signed in already: a test pays for passwords only where it is about them. */
async function newcomer(username: string, scope: string): Promise<Page> {
  const { userId } = await addAccount(store, { role: 'operator', scope, username })
  const { token } = await openSession(store, userId)
  const { page } = await visit([{ name: 'patrolhub_session', value: token, url: hub.url }])
  await page.getByRole('navigation', { name: 'Pages' }).waitFor()
  return page
}

/** RFC 4648, as an authenticator reads what it is given. */
function fromBase32(text: string): Buffer {
  const bits = [...text]
    .map((letter) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(letter).toString(2).padStart(5, '0'))
    .join('')
  return Buffer.from((bits.match(/.{8}/g) ?? []).map((byte) => Number.parseInt(byte, 2)))
}

describe('the pages', () => {
  it('lead a new administrator to a password and a second factor, and ask for it ever after', async () => {
    office = await visit()
    const { page } = office
    const problems = collectProblems(page)
    await fillSignIn(page, 'admin', hub.oneTimePassword)
    await replacePassword(page, hub.oneTimePassword)
    await page.getByText('Your role needs a second factor.').waitFor()
    await page.goto(`${hub.url}/admin`)
    // Nowhere else before it is set up.
    await page.getByRole('button', { name: 'Show the code to scan' }).click()
    await page.getByRole('img', { name: 'QR code for the authenticator' }).waitFor()
    const secret = (await page.getByText('Or type the secret:').locator('code').textContent())!
    const code = page.getByLabel('Code of the authenticator')
    await code.fill('000000')
    await page.getByRole('button', { name: 'Finish' }).click()
    await page.getByRole('alert').waitFor()
    await code.fill(hotp(fromBase32(secret), stepAt(Date.now())))
    await page.getByRole('button', { name: 'Finish' }).click()
    const codes = page.getByRole('list', { name: 'Recovery codes' }).getByRole('listitem')
    await codes.first().waitFor()
    const [recovery] = await codes.allTextContents()
    await page.getByRole('button', { name: 'I have noted it' }).click()
    await page.getByRole('navigation', { name: 'Pages' }).waitFor()

    const again = await visit()
    await fillSignIn(again.page, 'admin', PASSWORD)
    await again.page.getByLabel('Code of the authenticator').fill(recovery!)
    await again.page.getByRole('button', { name: 'Sign in' }).click()
    await again.page.getByRole('navigation', { name: 'Pages' }).waitFor()
    // The wrong code and the first look at a session are answered with 401, which the browser notes by itself.
    expect(problems.filter((problem) => !problem.includes('401'))).toEqual([])
  }, 60_000)

  it('end another session of one’s own, whose page says so', async () => {
    const other = contexts.at(-1)!.pages()[0]!
    const { page } = office
    await page.goto(`${hub.url}/account`)
    const sessions = page.getByRole('table', { name: 'Where you are signed in' })
    await sessions.getByRole('row').nth(2).waitFor()
    expect(await sessions.getByText('This one').count()).toBe(1)
    await sessions.getByRole('button', { name: 'End' }).click()
    await other.getByText('Your session has ended. Sign in again.').waitFor()
    await sessions.getByRole('row').nth(2).waitFor({ state: 'detached' })
  }, 60_000)

  it('compose a role, and change somebody’s role and scope, which counts at once', async () => {
    const { page } = office
    const watcher = await newcomer('li.na', '410502')
    await watcher.getByRole('link', { name: 'Live video' }).waitFor()
    await page.goto(`${hub.url}/access`)
    const roles = page.getByRole('table', { name: 'Roles' })
    await roles
      .getByRole('row', { name: /^Operator/ })
      .getByRole('button', { name: 'Copy' })
      .click()
    const dialog = page.getByRole('dialog', { name: 'New role' })
    await dialog.getByLabel('Short name').fill('night-watch')
    await dialog.getByLabel('Name shown').fill('Night watch')
    await dialog.getByLabel('grant.request').uncheck()
    await dialog.getByRole('button', { name: 'Save' }).click()
    const row = roles.getByRole('row', { name: /Night watch/ })
    await row.waitFor()
    expect(await row.textContent()).not.toContain('grant.request')

    await page.goto(`${hub.url}/admin`)
    const users = page.getByRole('table', { name: 'Users' })
    await users
      .getByRole('row', { name: /li\.na/ })
      .getByRole('button', { name: 'Edit' })
      .click()
    const edit = page.getByRole('dialog', { name: 'Edit Name of li.na' })
    await edit.getByLabel('Role').selectOption({ label: 'Night watch' })
    await edit.getByLabel('Scope').fill(REGION)
    await edit.getByRole('button', { name: 'Save' }).click()
    await users.getByRole('row', { name: new RegExp(`li\\.na.*Night watch.*${REGION}`) }).waitFor()
    await watcher.reload()
    await watcher.getByRole('navigation', { name: 'Pages' }).waitFor()
    expect(await watcher.getByRole('link', { name: 'Live video' }).count()).toBe(0)
  }, 60_000)

  it('show an emergency plan from writing to its end: who is opened what, as a drill', async () => {
    const { page } = office
    const commander = await newcomer('wang.wei', '410502')
    await page.goto(`${hub.url}/plans`)
    await page.getByRole('button', { name: 'New group' }).click()
    const group = page.getByRole('dialog', { name: 'New group' })
    await group.getByLabel('Name').fill('Dyke')
    await group.getByLabel('Division').fill(REGION)
    await group.getByLabel(/gate/).check()
    await group.getByLabel(/yard/).check()
    await group.getByRole('button', { name: 'Save' }).click()
    await page.getByRole('table', { name: 'Groups of cameras' }).getByText('Dyke').waitFor()
    await page.getByRole('button', { name: 'New plan' }).click()
    const plan = page.getByRole('dialog', { name: 'New plan' })
    await plan.getByLabel('Name', { exact: true }).fill('Flood')
    await plan.getByLabel('Division').fill('4105')
    await plan.getByLabel('Dyke').check()
    await plan.getByLabel('Command: these people').fill('wang.wei')
    await plan.getByRole('button', { name: 'Save' }).click()
    await page.getByRole('button', { name: 'Activate' }).click()
    const activation = page.getByRole('dialog', { name: 'Activate plan: Flood' })
    await activation.getByLabel('Reason').fill('exercise of the year')
    await activation.getByRole('button', { name: 'Activate' }).click()
    const active = page.getByRole('region', { name: 'Active plan: Flood' })
    await active.getByText('Drill').first().waitFor()
    await active.getByRole('row', { name: /wang\.wei.*Dyke.*2 of 2 cameras/ }).waitFor()

    await commander.getByRole('link', { name: 'Live video' }).click()
    await commander.getByRole('button', { name: /gate/ }).click()
    await commander.getByText('Drill').waitFor()
    await active
      .getByRole('row', { name: /Name of wang\.wei.*gate/ })
      .first()
      .waitFor()
    await active.getByRole('button', { name: 'End plan' }).click()
    await active.waitFor({ state: 'detached' })
    await commander.getByText('Live video needs a grant').waitFor()
  }, 60_000)

  it('show the plate of a passage to who may read it, for a reason, until the dialog is closed', async () => {
    const [seen, unread] = [1000, 0].map((agoMs, index) =>
      passage(index, { atMs: Date.now() - agoMs, deviceId: 'north' }),
    )
    const plateCipher = new PlateKeyRing(PLATE_KEYS).seal('豫E12345')
    await edge.send('measurements', 1, [{ ...seen, plateCipher }, unread])
    await edge.cursor(({ stream, upTo }) => stream === 'measurements' && upTo === 2)
    const { page } = office
    const problems = collectProblems(page)
    await page.goto(`${hub.url}/checkpoints/north`)
    const rows = page.getByRole('table', { name: 'Last passages' }).getByRole('row')
    await rows.nth(1).getByText('Not read').waitFor()
    await rows.nth(2).getByRole('button', { name: 'Show plate' }).click()
    const dialog = page.getByRole('dialog')
    await dialog.getByLabel('Purpose').selectOption('patrol_support')
    await dialog.getByLabel('Why').fill('stolen this morning')
    await dialog.getByRole('button', { name: 'Show plate' }).click()
    await dialog.getByText('豫E12345').waitFor()
    await dialog.getByText('Hidden again in').waitFor()
    await dialog.getByRole('button', { name: 'Close' }).click()
    await dialog.waitFor({ state: 'detached' })
    expect(await page.content()).not.toContain('12345')
    expect(problems).toEqual([])
    const entries = await store.read
      .selectFrom('audit')
      .select('detail')
      .where('action', '=', 'plate.read')
      .execute()
    expect(entries.map(({ detail }) => JSON.parse(detail))).toMatchObject([
      { checkpoint: 'north', purpose: 'patrol_support', reason: 'stolen this morning' },
    ])

    const operator = await newcomer('reads-none', '4105')
    await operator.goto(`${hub.url}/checkpoints/north`)
    await operator.getByText('Not read').waitFor()
    expect(await operator.getByRole('button', { name: 'Show plate' }).count()).toBe(0)
  }, 60_000)

  it('find passages by what was measured of them, and those of one plate for a reason', async () => {
    const plateHash = createHmac('sha256', Buffer.from(HASH_KEY, 'hex')).update('豫E54321').digest('hex')
    const records = Array.from({ length: 130 }, (_, index) =>
      passage(index, {
        ...{ atMs: Date.now() - 60_000 - index * 1000, deviceId: 'north', lane: 1 + (index % 2) },
        ...(index === 70 ? { plateHash, vehicleClass: 'H11', speedKmh: 71 } : { vehicleClass: 'K33' }),
      }),
    )
    await edge.send('measurements', 3, records)
    await edge.cursor(({ stream, upTo }) => stream === 'measurements' && upTo === 132)
    const { page } = office
    const problems = collectProblems(page)
    await page.goto(hub.url)
    await page.getByRole('link', { name: 'Passages' }).click()
    const rows = page.getByRole('table', { name: 'Search of passages' }).getByRole('row')
    await page.getByRole('button', { name: 'Older' }).click()
    await expect.poll(() => rows.count()).toBe(1 + 132)
    await page.getByLabel('Vehicle class').selectOption('H')
    await page.getByLabel('Speed from').fill('70')
    await page.getByRole('button', { name: 'Search' }).click()
    await expect.poll(() => rows.count()).toBe(2)
    await rows.nth(1).getByRole('link', { name: 'North gate' }).waitFor()
    const saved = page.waitForEvent('download')
    await page.getByRole('link', { name: 'Save as CSV' }).click()
    expect(readFileSync(await (await saved).path(), 'utf8')).toContain('North gate,north,410502003,1,71,H11')
    await page.getByRole('button', { name: 'Clear' }).click()
    await page.getByLabel('Plate', { exact: true }).fill('豫E·54321')
    await page.getByLabel('Why; it goes').fill('seen at the north gate')
    await page.getByRole('button', { name: 'Search' }).click()
    await expect.poll(() => rows.count()).toBe(2)
    expect(problems).toEqual([])
    const entries = await store.read
      .selectFrom('audit')
      .select(['action', 'detail'])
      .where('action', 'in', ['passage.exported', 'plate.searched'])
      .orderBy('seq')
      .execute()
    expect(entries.map(({ action }) => action)).toEqual(['passage.exported', 'plate.searched'])
    expect(JSON.stringify(entries)).not.toContain('54321')
  }, 60_000)

  it('ask for a camera outside the scope by its id, and for a group as one', async () => {
    const asker = await newcomer('zhao.min', '410503')
    const policies = await ask<{ items: { sensitivity: string; policy: CameraPolicy }[] }>(
      'GET',
      '/api/grant-policies',
    )
    const { policy } = policies.items.find(({ sensitivity }) => sensitivity === 'public')!
    await ask('PUT', '/api/grant-policies/public', { ...policy, outside: 'id' })
    await asker.getByRole('link', { name: 'Live video' }).click()
    await asker.getByLabel('Id of the camera').fill('gate')
    await asker.getByRole('button', { name: 'Choose' }).click()
    await asker.getByText('Outside your scope', { exact: true }).waitFor()
    await asker.getByRole('button', { name: 'Ask for live video' }).click()
    const dialog = asker.getByRole('dialog', { name: 'Ask for live video: gate' })
    await dialog.getByLabel('Note').fill('a car drove over the border')
    await dialog.getByRole('button', { name: 'Request' }).click()
    await asker.getByText('Waiting for approval').waitFor()
    const { page } = office
    await page.goto(`${hub.url}/approvals`)
    const waiting = page.getByRole('listitem', { name: 'Name of zhao.min, gate' })
    await waiting.getByText('a car drove over the border').waitFor()
    await waiting.getByRole('button', { name: 'Approve' }).click()
    await plays(asker)

    await page.goto(`${hub.url}/live`)
    await page.getByRole('list', { name: 'Groups of cameras' }).getByRole('button', { name: /Dyke/ }).click()
    const group = page.getByRole('dialog', { name: 'Ask for live video: Dyke' })
    await group.getByText('One request for all cameras of the group').waitFor()
    await group.getByRole('button', { name: 'Request' }).click()
    await group.waitFor({ state: 'detached' })
    await page.getByRole('button', { name: /yard/ }).click()
    await plays(page)
  }, 60_000)

  it('play live video by WebSocket where HTTP brings no picture', async () => {
    const viewer = await newcomer('sun.li', REGION)
    let refused = 0
    const sockets: string[] = []
    viewer.on('websocket', (socket) => sockets.push(socket.url()))
    await viewer.route('**/media/live/**', (route) => {
      refused += 1
      return route.abort()
    })
    await viewer.goto(`${hub.url}/live?camera=gate`)
    await viewer.getByRole('button', { name: 'Ask for live video' }).click()
    await viewer.getByRole('button', { name: 'Request' }).click()
    await plays(viewer)
    // HTTP first, and then the WebSocket.
    expect(refused).toBe(1)
    expect(sockets.filter((url) => /^ws:.*\/media\/live\/.*camera=gate$/.test(url))).toHaveLength(1)
  }, 60_000)
})

async function plays(page: Page): Promise<void> {
  const moves = () => (document.querySelector('video')?.currentTime ?? 0) > 0.3
  await page.waitForFunction(moves, undefined, { timeout: 20_000 })
}
