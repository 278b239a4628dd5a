import type { Checkpoint, Sensor } from '@patrolhub/protocol'
import { useQuery } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import { Link } from 'react-router'
import { devicesQuery } from '../../lib/queries.ts'
import { seriesLabel } from '../../lib/reason.ts'
import { useRegionName } from '../../lib/region-name.ts'
import { DataTable } from '../../ui/data-table.tsx'
import { EmptyNote, ErrorNote, LoadingNote } from '../../ui/notes.tsx'
import { Panel } from '../../ui/panel.tsx'
import { StateDot } from '../../ui/state-mark.tsx'
import { TimeText } from '../../ui/time-text.tsx'
import { CAMERA_TONES, cameraState, EDGE_TONES, MEASURING_TONES } from './camera-tone.ts'

/** Everything inside the scope, by kind, with a way to its page. */
export function MeasuringList() {
  const { t } = useTranslation()
  const regionName = useRegionName()
  const { data, error, isPending, refetch } = useQuery(devicesQuery)
  if (isPending) return <LoadingNote />
  if (!data) return <ErrorNote error={error} onRetry={() => void refetch()} />
  const edgeName = (edgeId: string) => data.edges.find((edge) => edge.edgeId === edgeId)?.name ?? edgeId
  const intakeColumns = [
    {
      title: t('devices.state'),
      cell: ({ health }: Checkpoint | Sensor) => {
        const state = health?.state ?? 'waiting'
        return <StateDot tone={MEASURING_TONES[state]}>{t(`measuringState.${state}`)}</StateDot>
      },
    },
    {
      title: t('devices.clockOffset'),
      cell: ({ health }: Checkpoint | Sensor) =>
        health?.clockOffsetMs === undefined ? '–' : `${Math.round(health.clockOffsetMs / 1000)} s`,
      isNumber: true,
    },
    {
      title: t('devices.refused'),
      cell: ({ health }: Checkpoint | Sensor) => health?.refused ?? '–',
      isNumber: true,
    },
  ]
  return (
    <>
      <Panel title={t('devices.checkpoints')}>
        {data.checkpoints.length === 0 ? <EmptyNote>{t('devices.noCheckpoints')}</EmptyNote> : null}
        {data.checkpoints.length > 0 ? (
          <DataTable
            caption={t('devices.checkpoints')}
            rows={data.checkpoints}
            rowKey={(checkpoint) => checkpoint.checkpointId}
            columns={[
              {
                title: t('devices.name'),
                cell: (item) => (
                  <Link to={`/checkpoints/${encodeURIComponent(item.checkpointId)}`}>{item.name}</Link>
                ),
              },
              ...intakeColumns,
              { title: t('devices.place'), cell: (item) => regionName(item.region) },
              { title: t('devices.lanes'), cell: (item) => item.lanes, isNumber: true },
              { title: t('devices.edge'), cell: (item) => edgeName(item.edgeId) },
            ]}
          />
        ) : null}
      </Panel>
      <Panel title={t('devices.sensors')}>
        {data.sensors.length === 0 ? <EmptyNote>{t('devices.noSensors')}</EmptyNote> : null}
        {data.sensors.length > 0 ? (
          <DataTable
            caption={t('devices.sensors')}
            rows={data.sensors}
            rowKey={(sensor) => sensor.sensorId}
            columns={[
              {
                title: t('devices.name'),
                cell: (item) => <Link to={`/sensors/${encodeURIComponent(item.sensorId)}`}>{item.name}</Link>,
              },
              ...intakeColumns,
              { title: t('devices.place'), cell: (item) => regionName(item.region) },
              {
                title: t('devices.quantity'),
                cell: (item) => `${seriesLabel(item.quantity, t)} (${item.unit})`,
              },
              { title: t('devices.edge'), cell: (item) => edgeName(item.edgeId) },
            ]}
          />
        ) : null}
      </Panel>
      <Panel title={t('devices.cameras')}>
        <DataTable
          caption={t('devices.cameras')}
          rows={data.cameras}
          rowKey={(camera) => camera.cameraId}
          columns={[
            { title: t('devices.name'), cell: (item) => item.name },
            {
              title: t('devices.state'),
              cell: (item) => {
                const state = cameraState(item, data.edges)
                return <StateDot tone={CAMERA_TONES[state]}>{t(`cameraState.${state}`)}</StateDot>
              },
            },
            { title: t('devices.place'), cell: (item) => regionName(item.region) },
            { title: t('devices.sensitivity'), cell: (item) => t(`sensitivity.${item.sensitivity}`) },
            {
              title: t('devices.framesAnalysed'),
              cell: (item) => item.health?.framesAnalysed ?? '–',
              isNumber: true,
            },
            {
              title: t('devices.framesDropped'),
              cell: (item) => item.health?.framesDropped ?? '–',
              isNumber: true,
            },
            {
              title: t('devices.decodedShare'),
              cell: (item) => decodedText(item.health),
              isNumber: true,
            },
            {
              title: t('devices.inference'),
              cell: (item) => (item.health ? `${Math.round(item.health.inferenceMsP50)} ms` : '–'),
              isNumber: true,
            },
            { title: t('devices.edge'), cell: (item) => edgeName(item.edgeId) },
          ]}
        />
      </Panel>
      <Panel title={t('devices.edges')}>
        <DataTable
          caption={t('devices.edges')}
          rows={data.edges}
          rowKey={(edge) => edge.edgeId}
          columns={[
            { title: t('devices.name'), cell: (edge) => edge.name },
            {
              title: t('devices.state'),
              cell: (edge) => (
                <StateDot tone={EDGE_TONES[edge.state]}>{t(`edgeState.${edge.state}`)}</StateDot>
              ),
            },
            { title: t('devices.place'), cell: (edge) => regionName(edge.region) },
            { title: t('devices.software'), cell: (edge) => edge.software },
            { title: t('devices.detector'), cell: (edge) => edge.detectorId ?? '–' },
            {
              title: t('devices.lastSeen'),
              cell: (edge) => (edge.lastSeenAtMs === undefined ? '–' : <TimeText atMs={edge.lastSeenAtMs} />),
            },
          ]}
        />
      </Panel>
    </>
  )
}

/** Little while nothing moves before the camera; an edge of an older version does not tell. */
function decodedText(health: { decodedShare?: number } | undefined): string {
  return health?.decodedShare === undefined ? '–' : `${Math.round(100 * health.decodedShare)} %`
}
