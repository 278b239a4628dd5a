/** POST /api/passages/:passageId/plate: one plate in clear. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { PlateReading, ReadPlate } from '@patrolhub/protocol'
import { Type } from 'typebox'
import { HubError } from '../errors.ts'
import { type PlateOutcome, type PlateReaderDeps, readPlateOf } from './plate-reader.ts'

export function plateRoutes(deps: PlateReaderDeps): FastifyPluginAsyncTypebox {
  return async (app) => {
    app.post(
      '/api/passages/:passageId/plate',
      {
        config: { access: 'plate.read' },
        schema: {
          summary: 'Read the plate of a passage in clear, with a reason; on the record',
          description:
            'An account may read `plateReadsPerHour` of them within an hour: 429 with Retry-After.',
          tags: ['plates'],
          params: Type.Object({ passageId: Type.String({ minLength: 1, maxLength: 300 }) }),
          body: PlateReading,
          response: { 200: ReadPlate },
        },
      },
      async ({ principal, params, body }, reply) => {
        reply.header('cache-control', 'no-store')
        const outcome = await readPlateOf(deps, principal, params.passageId, body)
        if (outcome.kind === 'too-many') return deps.limit.refuse(reply, outcome.waitMs)
        return { plate: plateOr(outcome) }
      },
    )
  }
}

/** Throws what stood in the way. */
function plateOr(outcome: Exclude<PlateOutcome, { kind: 'too-many' }>): string {
  switch (outcome.kind) {
    case 'read':
      return outcome.plate
    case 'none':
      throw new HubError(
        'HUB_PLATE_NONE',
        'nothing encrypted is stored with this passage: no plate was read, its time is over, or its edge has no key',
      )
    case 'no-key':
      throw new HubError(
        'HUB_PLATE_KEY',
        `the plate is encrypted with version ${outcome.version} of the key, which this hub does not have: add it to PATROLHUB_PLATE_KEYS`,
      )
    case 'broken':
      throw new HubError(
        'HUB_PLATE_BROKEN',
        `the stored plate does not open with version ${outcome.version} of the key: it was changed, or made with another key of that version`,
      )
  }
}
