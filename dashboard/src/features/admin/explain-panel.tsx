import type { DecisionView } from '@patrolhub/protocol'
import { useMutation } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import { api } from '../../lib/api.ts'
import { Button } from '../../ui/button.tsx'
import { DataTable } from '../../ui/data-table.tsx'
import { TextField, textOf } from '../../ui/field.tsx'
import { ErrorNote } from '../../ui/notes.tsx'
import { Panel } from '../../ui/panel.tsx'
import { StateMark } from '../../ui/state-mark.tsx'

/** Why somebody may or may not do something: every rule that the hub looked at. */
export function ExplainPanel() {
  const { t } = useTranslation()
  const explain = useMutation({
    mutationFn: (query: Record<string, string | undefined>) =>
      api.get<DecisionView>('/api/access/explain', { query }),
  })
  const answer = explain.data
  return (
    <Panel title={t('access.title')}>
      <form
        onSubmit={(event) => {
          event.preventDefault()
          const form = new FormData(event.currentTarget)
          explain.mutate({
            username: textOf(form, 'username'),
            action: textOf(form, 'action'),
            cameraId: textOf(form, 'cameraId') || undefined,
            region: textOf(form, 'region') || undefined,
          })
        }}
      >
        <TextField label={t('admin.username')} name="username" required maxLength={64} autoComplete="off" />
        <TextField
          label={t('access.action')}
          name="action"
          hint={t('access.actionHint')}
          required
          maxLength={60}
          autoComplete="off"
        />
        <TextField label={t('access.camera')} name="cameraId" maxLength={64} autoComplete="off" />
        <TextField label={t('access.region')} name="region" maxLength={15} inputMode="numeric" />
        <ErrorNote error={explain.error} />
        <Button type="submit" look="primary" isBusy={explain.isPending}>
          {t('access.ask')}
        </Button>
      </form>
      {answer ? (
        <div role="status">
          <p>
            <StateMark tone={answer.effect === 'allow' ? 'good' : 'bad'}>
              {t(`access.effect.${answer.effect}`)}
            </StateMark>{' '}
            {answer.username} · {answer.action} · {answer.about}
          </p>
          {answer.obligations.map((one) => (
            <p key={one}>{t(`access.obligation.${one}`)}</p>
          ))}
          <DataTable
            caption={t('access.title')}
            rows={answer.checks}
            rowKey={(check, index) => `${check.rule} ${index}`}
            columns={[
              { title: t('access.rule'), cell: (check) => t(`access.rules.${check.rule}`) },
              {
                title: t('access.result'),
                cell: (check) => (
                  <StateMark tone={check.ok ? 'good' : 'bad'}>
                    {check.ok ? t('access.yes') : t('access.no')}
                  </StateMark>
                ),
              },
              { title: t('access.says'), cell: (check) => check.says },
            ]}
          />
        </div>
      ) : null}
    </Panel>
  )
}
