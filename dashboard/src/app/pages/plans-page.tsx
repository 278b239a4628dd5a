import { useTranslation } from 'react-i18next'
import { GroupsPanel } from '../../features/plans/groups-panel.tsx'
import { PlanList } from '../../features/plans/plan-list.tsx'
import { useMay } from '../../lib/session.ts'
import styles from './page.module.css'

/** Emergency plans and the groups of cameras that they open. */
export function PlansPage() {
  const { t } = useTranslation()
  const may = useMay()
  return (
    <div className={styles.page}>
      <h1>{t('nav.plans')}</h1>
      <PlanList />
      {may('device.read') ? <GroupsPanel /> : null}
    </div>
  )
}
