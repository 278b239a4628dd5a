/** /api/devices, /api/edges and /api/regions: inside the caller's scope. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { CreatedEdge, DeviceList, NewEdge, Region, RegionCode, RegionName } from '@patrolhub/protocol'
import { Type } from 'typebox'
import type { AuditTrail } from '../access/audit-trail.ts'
import { may } from '../access/decide.ts'
import type { Permission } from '../access/permissions.ts'
import type { Principal } from '../access/principal.ts'
import { HubError } from '../errors.ts'
import type { Relational } from '../ports/relational.ts'
import { listDevices, listRegions, nameRegion } from './device-store.ts'
import type { Devices } from './devices.ts'

interface Deps {
  relational: Relational
  devices: Devices
  audit: AuditTrail
}

function requireReach(who: Principal, permission: Permission, region: string): void {
  if (!may(who, permission, { region })) {
    throw new HubError('HUB_OUT_OF_SCOPE', `region ${region} lies outside your scope ${who.scope}`)
  }
}

export function deviceRoutes({ relational, devices, audit }: Deps): FastifyPluginAsyncTypebox {
  return async (app) => {
    app.get(
      '/api/devices',
      {
        config: { access: 'device.read' },
        schema: {
          summary: 'Every device inside the scope',
          tags: ['devices'],
          response: { 200: DeviceList },
        },
      },
      (request) => listDevices(relational.read, request.principal),
    )

    app.get(
      '/api/regions',
      {
        config: { access: 'signed-in' },
        schema: {
          summary: 'Names of the divisions inside the scope, and of where the own teams are sent',
          tags: ['devices'],
          response: { 200: Type.Array(Region) },
        },
      },
      (request) => listRegions(relational.read, request.principal),
    )

    app.put(
      '/api/regions/:code',
      {
        config: { access: 'region.write' },
        schema: {
          summary: 'Name a division',
          tags: ['devices'],
          params: Type.Object({ code: RegionCode }),
          body: RegionName,
          response: { 200: Region },
        },
      },
      async (request) => {
        const { code } = request.params
        requireReach(request.principal, 'region.write', code)
        const region = { code, name: request.body.name }
        await relational.write.transaction().execute(async (trx) => {
          await nameRegion(trx, region)
          await audit.append(trx, {
            actor: request.principal,
            action: 'region.named',
            subject: `region:${code}`,
            detail: { name: region.name },
          })
        })
        return region
      },
    )

    app.post(
      '/api/edges',
      {
        config: { access: 'edge.write' },
        schema: {
          summary: 'Create the credential of a new edge; its token is shown once',
          tags: ['devices'],
          body: NewEdge,
          response: { 201: CreatedEdge },
        },
      },
      async (request, reply) => {
        requireReach(request.principal, 'edge.write', request.body.region)
        const created = await devices.addEdge(request.principal, request.body)
        return reply.code(201).send(created)
      },
    )
  }
}
