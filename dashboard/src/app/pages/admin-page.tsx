import { useTranslation } from 'react-i18next'
import { EdgesPanel } from '../../features/admin/edges-panel.tsx'
import { RegionsPanel } from '../../features/admin/regions-panel.tsx'
import { TeamsPanel } from '../../features/admin/teams-panel.tsx'
import { UsersPanel } from '../../features/admin/users-panel.tsx'
import { useMay } from '../../lib/session.ts'
import styles from './page.module.css'

/** Teams, users, edges and names of places, each for those who may see them. */
export function AdminPage() {
  const { t } = useTranslation()
  const may = useMay()
  return (
    <div className={styles.page}>
      <h1>{may('user.read') ? t('nav.admin') : t('nav.edges')}</h1>
      {may('team.read') ? <TeamsPanel /> : null}
      {may('user.read') ? <UsersPanel /> : null}
      {may('device.read') ? <EdgesPanel /> : null}
      <RegionsPanel />
    </div>
  )
}
