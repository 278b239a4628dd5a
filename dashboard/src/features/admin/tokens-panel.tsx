import type { CreatedServiceToken, NewServiceToken, ServiceToken } from '@patrolhub/protocol'
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { api } from '../../lib/api.ts'
import { keys, serviceTokensQuery } from '../../lib/queries.ts'
import { useRegionName } from '../../lib/region-name.ts'
import { useSession } from '../../lib/session.ts'
import { Button } from '../../ui/button.tsx'
import { DataTable } from '../../ui/data-table.tsx'
import { TextField, textOf } from '../../ui/field.tsx'
import { EmptyNote, ErrorNote, LoadingNote } from '../../ui/notes.tsx'
import { Panel } from '../../ui/panel.tsx'
import { RegionField } from '../../ui/region-field.tsx'
import { TimeText } from '../../ui/time-text.tsx'
import styles from './admin.module.css'
import { NewDialog } from './new-dialog.tsx'
import { type Secret, SecretDialog } from './secret-dialog.tsx'

/** What another system usually reads. */
const CHOICES = [
  'overview.read',
  'alert.read',
  'incident.read',
  'dispatch.read',
  'device.read',
  'series.read',
]

/** Tokens with which other systems read from the hub. */
export function TokensPanel() {
  const { t } = useTranslation()
  const { scope } = useSession()
  const regionName = useRegionName()
  const queries = useQueryClient()
  const { data, error, isPending, refetch } = useQuery(serviceTokensQuery)
  const [isOpen, setOpen] = useState(false)
  const [secret, setSecret] = useState<Secret>()
  const refresh = () => void queries.invalidateQueries({ queryKey: keys.serviceTokens })
  const create = useMutation({
    mutationFn: (body: NewServiceToken) => api.post<CreatedServiceToken>('/api/service-tokens', body),
    onSuccess: ({ serviceToken, token }) => {
      refresh()
      setOpen(false)
      setSecret({
        title: t('access.tokenMade'),
        label: t('admin.token'),
        owner: serviceToken.name,
        value: token,
      })
    },
  })
  const revoke = useMutation({
    mutationFn: (token: ServiceToken) => api.delete<void>(`/api/service-tokens/${token.tokenId}`),
    onSettled: refresh,
  })
  return (
    <Panel
      title={t('access.tokens')}
      aside={<Button onClick={() => setOpen(true)}>{t('access.newToken')}</Button>}
    >
      {isPending ? <LoadingNote /> : null}
      <ErrorNote error={error ?? revoke.error} onRetry={() => void refetch()} />
      {data?.length === 0 ? <EmptyNote>{t('access.noTokens')}</EmptyNote> : null}
      {data && data.length > 0 ? (
        <DataTable
          caption={t('access.tokens')}
          rows={data}
          rowKey={(token) => token.tokenId}
          columns={[
            { title: t('devices.name'), cell: (token) => token.name },
            { title: t('admin.scope'), cell: (token) => regionName(token.scope) },
            { title: t('access.permissions'), cell: (token) => token.permissions.join(', ') },
            { title: t('account.until'), cell: (token) => <TimeText atMs={token.expiresAtMs} /> },
            {
              title: t('access.lastUsed'),
              cell: (token) =>
                token.lastUsedAtMs === undefined ? '–' : <TimeText atMs={token.lastUsedAtMs} />,
            },
            {
              title: t('admin.change'),
              cell: (token) =>
                token.revokedAtMs === undefined ? (
                  <Button look="plain" onClick={() => revoke.mutate(token)}>
                    {t('access.revoke')}
                  </Button>
                ) : (
                  t('access.revoked')
                ),
            },
          ]}
        />
      ) : null}
      {isOpen ? (
        <NewDialog
          title={t('access.newToken')}
          error={create.error}
          isBusy={create.isPending}
          onClose={() => setOpen(false)}
          onSubmit={(form) =>
            create.mutate({
              name: textOf(form, 'name'),
              scope: textOf(form, 'scope'),
              days: Number(form.get('days')),
              permissions: form.getAll('permissions').map(String),
            })
          }
        >
          <TextField label={t('devices.name')} name="name" required maxLength={80} autoComplete="off" />
          <RegionField label={t('admin.scope')} name="scope" initial={scope} />
          <TextField
            label={t('access.days')}
            name="days"
            type="number"
            min={1}
            max={366}
            defaultValue={90}
            required
          />
          <fieldset className={styles.checks}>
            <legend>{t('access.permissions')}</legend>
            {CHOICES.map((permission) => (
              <label key={permission}>
                <input type="checkbox" name="permissions" value={permission} /> {permission}
              </label>
            ))}
          </fieldset>
        </NewDialog>
      ) : null}
      {secret ? <SecretDialog secret={secret} onClose={() => setSecret(undefined)} /> : null}
    </Panel>
  )
}
