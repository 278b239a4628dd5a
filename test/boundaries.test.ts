/**
 * The import boundaries of docs/design/architecture.md: protocol imports nothing of ours, server, edge and dashboard
 * import protocol and never each other, features of a package never import each other.
 */
import { globSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { describe, expect, it } from 'vitest'

const root = resolve(import.meta.dirname, '..')
const IMPORT = /(?:\bfrom|\bimport)\s*\(?\s*['"]([^'"]+)['"]/g

const SERVER_FEATURES = [
  'audit',
  'devices',
  'ingest',
  'incidents',
  'dispatch',
  'plans',
  'streams',
  'evidence',
  'exports',
  'analytics',
  'push',
  'clones',
  'passages',
  'plates',
  'watchlist',
]

interface Import {
  file: string
  target: string
}

function importsOf(folder: string): Import[] {
  return globSync(`${folder}/**/*.{ts,tsx}`, { cwd: root }).flatMap((file) => {
    const text = readFileSync(join(root, file), 'utf8')
    return [...text.matchAll(IMPORT)].map((match) => {
      const specifier = match[1]!
      const target = specifier.startsWith('.')
        ? relative(root, resolve(root, dirname(file), specifier))
        : specifier
      return { file, target }
    })
  })
}

const isTest = (file: string) =>
  file.endsWith('.test.ts') || file.endsWith('.test.tsx') || file.includes('/test/')

describe('import boundaries', () => {
  it('finds imports at all', () => {
    expect(importsOf('server/src').length).toBeGreaterThan(50)
    expect(importsOf('edge/src').length).toBeGreaterThan(50)
    expect(importsOf('dashboard/src').length).toBeGreaterThan(50)
  })

  it('protocol imports nothing of ours and nothing of Node', () => {
    const wrong = importsOf('protocol/src').filter(
      ({ file, target }) =>
        !isTest(file) && !target.startsWith('protocol/src/') && !/^typebox(\/|$)/.test(target),
    )
    expect(wrong).toEqual([])
  })

  it('the FLV codec, which needs the Buffer of Node, does not reach the dashboard', () => {
    const codec = { entry: '@patrolhub/protocol/flv', file: 'protocol/src/flv.ts' }
    const users = importsOf('{protocol,server,edge,dashboard}/src').filter(
      ({ file, target }) => !isTest(file) && (target === codec.entry || target === codec.file),
    )
    expect(new Set(users.map(({ file }) => file.split('/')[0]))).toEqual(new Set(['server', 'edge']))
  })

  it.each(['server', 'edge', 'dashboard'])('%s reaches protocol and itself only', (part) => {
    const others = ['server', 'edge', 'dashboard', 'models', 'test', 'scripts'].filter(
      (other) => other !== part,
    )
    const wrong = importsOf(`${part}/src`).filter(
      ({ file, target }) =>
        !isTest(file) &&
        (others.some((other) => target.startsWith(`${other}/`) || target.startsWith(`@patrolhub/${other}`)) ||
          target.startsWith('protocol/')),
    )
    expect(wrong).toEqual([])
  })

  it('features of the hub do not import each other; app.ts composes them', () => {
    const wrong = importsOf('server/src').filter(({ file, target }) => {
      if (isTest(file)) return false
      const from = file.split('/')[2]!
      const to = target.startsWith('server/src/') ? target.split('/')[2]! : ''
      if (!SERVER_FEATURES.includes(from) || !SERVER_FEATURES.includes(to) || from === to) return false
      // The port that features push through; the implementation beside it is composed in app.ts.
      return target !== 'server/src/push/push.ts'
    })
    expect(wrong).toEqual([])
  })

  it('features of the dashboard do not import each other; app composes them', () => {
    const wrong = importsOf('dashboard/src/features').filter(({ file, target }) => {
      const to = target.startsWith('dashboard/src/features/') ? target.split('/')[3] : undefined
      return !isTest(file) && to !== undefined && to !== file.split('/')[3]
    })
    expect(wrong).toEqual([])
  })
})
