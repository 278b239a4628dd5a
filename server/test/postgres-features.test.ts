/** The features' own tests once more, on PostgreSQL: each file registers its cases here. */
import { afterAll, describe } from 'vitest'
import { reportMissingPostgres } from './support/missing-postgres.ts'
import { findPostgres, startPostgres, useEngine } from './support/postgres.ts'

const programs = await findPostgres()

if (programs === undefined) {
  reportMissingPostgres()
} else {
  const server = await startPostgres(programs)
  useEngine(server)
  afterAll(() => server.close())

  describe('on PostgreSQL: ingest', () => import('./ingest.test.ts') as never)
  describe('on PostgreSQL: incidents', () => import('./incidents.test.ts') as never)
  describe('on PostgreSQL: cloned plates', () => import('./clones.test.ts') as never)
  describe('on PostgreSQL: dispatch', () => import('./dispatch.test.ts') as never)
  describe('on PostgreSQL: scope', () => import('./scope.test.ts') as never)
  describe('on PostgreSQL: evidence', () => import('./evidence.test.ts') as never)
  describe('on PostgreSQL: keeping of evidence', () => import('./evidence-keeping.test.ts') as never)
  describe('on PostgreSQL: grants', () => import('./streams-grants.test.ts') as never)
  describe('on PostgreSQL: groups of cameras', () => import('./streams-groups.test.ts') as never)
  describe('on PostgreSQL: plans', () => import('./plans.test.ts') as never)
  describe('on PostgreSQL: changes', () => import('./changes.test.ts') as never)
  describe('on PostgreSQL: timers', () => import('./timers.test.ts') as never)
  describe('on PostgreSQL: viewings', () => import('./viewings.test.ts') as never)
  describe('on PostgreSQL: record', () => import('./record.test.ts') as never)
  describe('on PostgreSQL: audit', () => import('./audit.test.ts') as never)
}
