import type { CameraGroup } from '@patrolhub/protocol'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { groupsQuery } from '../../lib/queries.ts'
import { useRegionName } from '../../lib/region-name.ts'
import { Panel } from '../../ui/panel.tsx'
import styles from './camera-picker.module.css'
import { GrantDialog } from './grant-dialog.tsx'

/** Groups of cameras, each asked for as one; once it is granted its cameras play from the list. Nothing where there is none. */
export function GroupList() {
  const { t } = useTranslation()
  const regionName = useRegionName()
  const { data } = useQuery(groupsQuery)
  const [asked, setAsked] = useState<CameraGroup>()
  if (!data || data.items.length === 0) return null
  return (
    <Panel title={t('group.title')}>
      <ul aria-label={t('group.title')}>
        {data.items.map((group) => (
          <li key={group.groupId}>
            <button type="button" className={styles.row} onClick={() => setAsked(group)}>
              <strong>{group.name}</strong>
              <span>{t('group.count', { value: group.cameras.length })}</span>
              <span className={styles.detail}>{regionName(group.region)}</span>
            </button>
          </li>
        ))}
      </ul>
      {asked ? (
        <GrantDialog subject={{ kind: 'group', ...asked }} onClose={() => setAsked(undefined)} />
      ) : null}
    </Panel>
  )
}
