/** Signing in at a real OpenID Connect provider. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { freePort } from '../../test/support/free-port.ts'
import { Browser, type ProviderPerson, startProvider } from './support/oidc-provider.ts'
import { type People, startPeople } from './support/people.ts'

const people = new Map<string, ProviderPerson>()
let provider: Awaited<ReturnType<typeof startProvider>>
let hub: People
let callback = ''

async function startHubFor(more: Record<string, string> = {}) {
  const started = await startPeople({
    PATROLHUB_OIDC_ISSUER: provider.issuer,
    PATROLHUB_OIDC_CLIENT_ID: 'hub',
    PATROLHUB_OIDC_CLIENT_SECRET: 'a secret of the hub that is long enough',
    PATROLHUB_OIDC_REDIRECT_URL: callback,
    PATROLHUB_OIDC_ROLES: 'shift-lead=supervisor, duty-desk=operator',
    PATROLHUB_OIDC_CREATE_ACCOUNTS: 'true',
    PATROLHUB_REQUIRE_SECOND_FACTOR_FOR: 'supervisor,administrator',
    ...more,
  })
  return started
}

beforeAll(async () => {
  // The address is registered at the provider; the tests carry the answer to whatever port the hub has.
  callback = `http://127.0.0.1:${await freePort()}/api/session/oidc/callback`
  provider = await startProvider(people, () => callback)
  provider.configure()
  hub = await startHubFor()
})
afterAll(async () => {
  await hub.close()
  await provider.close()
})

const isBack = (url: string) => url.startsWith(callback)
const toHub = (back: string) => hub.url + back.slice(new URL(back).origin.length)

/** Signs in; answers where the hub sent the browser. */
async function signIn(login: string, browser = new Browser()) {
  const begun = await browser.get(`${hub.url}/api/session/oidc`)
  expect(begun.status).toBe(303)
  const back = await browser.signIn(begun.location, login, isBack)
  const end = await browser.get(toHub(back))
  const headers = { cookie: browser.cookie(new URL(hub.url).host) }
  const session = await fetch(`${hub.url}/api/session`, { headers })
  return {
    back,
    browser,
    place: end.location.slice(hub.url.length),
    json: session.status === 200 ? await session.json() : undefined,
  }
}

const person = (name: string, more: Partial<ProviderPerson> = {}): string => {
  const claims = { preferred_username: name, name: name.toUpperCase(), groups: ['duty-desk'] }
  people.set(name, { ...claims, patrolhub_scope: '410502', ...more })
  return name
}

describe('somebody whom the provider knows', () => {
  it('gets an account by the claims, and role and scope follow them at the next sign-in', async () => {
    const first = await signIn(person('zhao.min', { groups: ['everyone', 'duty-desk'] }))
    expect(first.place).toBe('/')
    expect(first.json).toMatchObject({
      username: 'zhao.min',
      displayName: 'ZHAO.MIN',
      role: 'operator',
      scope: '410502',
      mustChangePassword: false,
    })
    person('zhao.min', { patrolhub_scope: '410502003' })
    const second = await signIn('zhao.min')
    expect([second.json.userId, second.json.scope]).toEqual([first.json.userId, '410502003'])
    const password = { username: 'zhao.min', password: '' }
    for (const guess of ['', ' ', 'zhao.min']) {
      const local = await hub.ask(undefined, 'POST', '/api/session', { ...password, password: guess || 'x' })
      expect(local.status, 'no password opens it').toBe(401)
    }
  })

  it('takes the account that an administrator prepared, and none that somebody uses', async () => {
    const prepared = await hub.access.createUser(undefined, {
      username: 'prepared',
      displayName: 'Prepared',
      role: 'patroller',
      scope: '410503',
    })
    const mine = await signIn(person('prepared'))
    expect(mine.json).toMatchObject({ userId: prepared.user.userId, role: 'patroller', scope: '410503' })
    const used = await hub.person('administrator', '4105')
    const taken = await signIn(person(used.username))
    expect([taken.place, taken.json]).toEqual(['/sign-in?error=HUB_OIDC_REFUSED', undefined])
  })

  it('is refused without a role, without a scope of this hub, or disabled', async () => {
    const refused = '/sign-in?error=HUB_OIDC_REFUSED'
    expect((await signIn(person('no.role', { groups: ['cleaning'] }))).place).toBe(refused)
    expect((await signIn(person('elsewhere', { patrolhub_scope: '4106' }))).place).toBe(refused)
    expect((await signIn(person('bad.scope', { patrolhub_scope: 'all' }))).place).toBe(refused)
    expect((await signIn(person('Bad Name!'))).place).toBe(refused)
    const who = await signIn(person('leaver'))
    const administrator = await hub.person('operator', '4105')
    await hub.relational.write
      .updateTable('user_account')
      .set({ is_disabled: 1 })
      .where('user_id', '=', who.json.userId)
      .execute()
    expect((await signIn('leaver')).place).toBe(refused)
    expect(administrator.role).toBe('operator')
  })

  it('needs a second factor of the provider for a role that needs one', async () => {
    const lead = person('lead', { groups: ['shift-lead'] })
    expect((await signIn(lead)).place).toBe('/sign-in?error=HUB_OIDC_REFUSED')
    provider.amr.value = ['pwd', 'otp']
    try {
      const with2 = await signIn(lead)
      expect(with2.json).toMatchObject({ role: 'supervisor', mustEnrolSecondFactor: false })
    } finally {
      provider.amr.value = ['pwd']
    }
  })
})

describe('an answer', () => {
  const bad = '/sign-in?error=HUB_OIDC'

  it('counts once, in the browser that began, with its own state', async () => {
    const { browser, back } = await signIn(person('once'))
    expect((await browser.get(toHub(back))).location, 'again').toBe(hub.url + bad)

    const begun = await new Browser().get(`${hub.url}/api/session/oidc`)
    const theirs = await new Browser().signIn(begun.location, 'once', isBack)
    expect((await new Browser().get(toHub(theirs))).location, 'another browser').toBe(hub.url + bad)

    const victim = new Browser()
    await victim.get(`${hub.url}/api/session/oidc`)
    expect((await victim.get(toHub(theirs))).location, "another's state").toBe(hub.url + bad)
    expect((await victim.get(toHub(`${callback}?error=access_denied&state=x`))).location).toBe(hub.url + bad)
  })

  it('is not taken too late', async () => {
    const browser = new Browser()
    const begun = await browser.get(`${hub.url}/api/session/oidc`)
    const back = await browser.signIn(begun.location, person('late'), isBack)
    hub.clock.offsetMs += 11 * 60_000
    try {
      expect((await browser.get(toHub(back))).location).toBe(hub.url + bad)
    } finally {
      hub.clock.offsetMs -= 11 * 60_000
    }
  })
})

describe('the settings', () => {
  it('are all given or none, and keep people off plain HTTP', async () => {
    const wrong = startPeople({ PATROLHUB_OIDC_ISSUER: 'http://sso.example' })
    await expect(wrong).rejects.toMatchObject({
      details: expect.arrayContaining([
        expect.stringContaining('PATROLHUB_OIDC_CLIENT_ID: needed'),
        'PATROLHUB_OIDC_ISSUER: expected an https address',
      ]),
    })
    expect((await (await fetch(`${hub.url}/api/session/ways`)).json()).oidcName).toBe('SSO')
  })

  it('without making accounts let in nobody who is not prepared', async () => {
    const own = await startHubFor({ PATROLHUB_OIDC_CREATE_ACCOUNTS: 'false' })
    const before = hub
    hub = own
    try {
      expect((await signIn(person('stranger'))).place).toBe('/sign-in?error=HUB_OIDC_REFUSED')
      const rows = await own.relational.read.selectFrom('audit').selectAll().execute()
      expect(
        rows.some(({ action, detail }) => action === 'session.refused' && detail.includes('stranger')),
      ).toBe(true)
    } finally {
      hub = before
      await own.close()
    }
  })
})
