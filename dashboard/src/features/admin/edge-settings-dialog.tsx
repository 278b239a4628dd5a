import type { Edge, EdgeSettingsVersion, NewEdgeSettings } from '@patrolhub/protocol'
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import { api } from '../../lib/api.ts'
import { edgeSettingsQuery } from '../../lib/queries.ts'
import { Button } from '../../ui/button.tsx'
import { DataTable } from '../../ui/data-table.tsx'
import { Dialog, DialogActions } from '../../ui/dialog.tsx'
import { TextArea, TextField, textOf } from '../../ui/field.tsx'
import { ErrorNote, LoadingNote } from '../../ui/notes.tsx'
import { StateDot, type Tone } from '../../ui/state-mark.tsx'
import { TimeText } from '../../ui/time-text.tsx'
import styles from './admin.module.css'

const TONES: Readonly<Record<EdgeSettingsVersion['state'], Tone>> = {
  offered: 'warn',
  trying: 'warn',
  applied: 'good',
  refused: 'bad',
  replaced: 'dim',
}

/** Settings that an edge lays over its own file: the newest to be changed, and what became of those before. */
export function EdgeSettingsDialog({ edge, onClose }: { edge: Edge; onClose: () => void }) {
  const { t } = useTranslation()
  const queries = useQueryClient()
  const query = edgeSettingsQuery(edge.edgeId)
  const { data, error, isPending, refetch } = useQuery(query)
  const give = useMutation({
    mutationFn: (body: NewEdgeSettings) =>
      api.post(`/api/edges/${encodeURIComponent(edge.edgeId)}/settings`, body),
    onSuccess: () => void queries.invalidateQueries({ queryKey: query.queryKey }),
  })
  const [newest] = data ?? []
  return (
    <Dialog title={t('admin.settingsOf', { name: edge.name })} onClose={onClose}>
      {isPending ? <LoadingNote /> : null}
      <ErrorNote error={error} onRetry={() => void refetch()} />
      {data ? (
        <form
          onSubmit={(event) => {
            event.preventDefault()
            const form = new FormData(event.currentTarget)
            give.mutate({ document: String(form.get('document') ?? ''), note: textOf(form, 'note') })
          }}
        >
          <TextArea
            key={newest?.version ?? 0}
            label={t('admin.settingsDocument')}
            name="document"
            rows={12}
            defaultValue={newest?.document}
            hint={t('admin.settingsHint')}
            spellCheck={false}
            autoFocus
          />
          <TextField label={t('admin.settingsNote')} name="note" required maxLength={200} />
          <ErrorNote error={give.error} />
          {newest?.state === 'refused' ? (
            <ul className={styles.problems} role="alert">
              {newest.problems.map((problem) => (
                <li key={problem}>{problem}</li>
              ))}
            </ul>
          ) : null}
          <DialogActions>
            <Button onClick={onClose}>{t('common.close')}</Button>
            <Button type="submit" look="primary" isBusy={give.isPending}>
              {t('admin.settingsGive')}
            </Button>
          </DialogActions>
        </form>
      ) : null}
      {data && data.length > 0 ? (
        <DataTable
          caption={t('admin.settingsVersions')}
          rows={data}
          rowKey={({ version }) => String(version)}
          columns={[
            { title: t('admin.settingsVersion'), cell: ({ version }) => version },
            {
              title: t('devices.state'),
              cell: ({ state }) => <StateDot tone={TONES[state]}>{t(`settingsState.${state}`)}</StateDot>,
            },
            { title: t('admin.settingsNote'), cell: ({ note }) => note },
            { title: t('admin.settingsBy'), cell: ({ madeBy }) => madeBy },
            { title: t('admin.settingsAt'), cell: ({ madeAtMs }) => <TimeText atMs={madeAtMs} /> },
          ]}
        />
      ) : null}
    </Dialog>
  )
}
