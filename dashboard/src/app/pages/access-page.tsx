import { useTranslation } from 'react-i18next'
import { ExplainPanel } from '../../features/admin/explain-panel.tsx'
import { PolicyPanel } from '../../features/admin/policy-panel.tsx'
import { RolesPanel } from '../../features/admin/roles-panel.tsx'
import { TokensPanel } from '../../features/admin/tokens-panel.tsx'
import { useMay } from '../../lib/session.ts'
import styles from './page.module.css'

/** Who may do what, and why; the roles; what other systems may read. */
export function AccessPage() {
  const { t } = useTranslation()
  const may = useMay()
  return (
    <div className={styles.page}>
      <h1>{t('nav.access')}</h1>
      {may('access.explain') ? <ExplainPanel /> : null}
      {may('user.read') ? <RolesPanel /> : null}
      <PolicyPanel />
      {may('token.write') ? <TokensPanel /> : null}
    </div>
  )
}
