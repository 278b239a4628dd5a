import { useQuery } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import { Link } from 'react-router'
import { overviewQuery } from '../../lib/queries.ts'
import { useRegionName } from '../../lib/region-name.ts'
import { useRoleName } from '../../lib/role-name.ts'
import { homeOf, useMay, useSession } from '../../lib/session.ts'
import { calendarDay, clockTime } from '../../lib/time.ts'
import { useNowMs } from '../../lib/use-now.ts'
import styles from './header.module.css'
import { LanguageSwitch } from './language-switch.tsx'
import { LiveMark } from './live-mark.tsx'
import { SignOutButton } from './sign-out-button.tsx'

function Figure({ label, value, of, isBad }: { label: string; value: number; of?: number; isBad?: boolean }) {
  return (
    <div className={styles.figure} data-bad={isBad || undefined}>
      <dt>{label}</dt>
      <dd>
        {value}
        {of === undefined ? null : <span className={styles.of}>/{of}</span>}
      </dd>
    </div>
  )
}

function Figures() {
  const { t } = useTranslation()
  const { data } = useQuery(overviewQuery)
  if (!data) return null
  return (
    <dl className={styles.figures} aria-label={t('overview.label')}>
      <Figure label={t('overview.incidentsOpen')} value={data.incidentsOpen} />
      <Figure label={t('overview.dispatchesOpen')} value={data.dispatchesOpen} />
      <Figure label={t('overview.alertsToday')} value={data.alertsToday} />
      <Figure
        label={t('overview.cameras')}
        value={data.camerasOnline}
        of={data.camerasTotal}
        isBad={data.camerasOnline < data.camerasTotal}
      />
      <Figure
        label={t('overview.edges')}
        value={data.edgesOnline}
        of={data.edgesTotal}
        isBad={data.edgesOnline < data.edgesTotal}
      />
    </dl>
  )
}

function WallClock() {
  const { i18n } = useTranslation()
  const nowMs = useNowMs()
  return (
    <div className={styles.clock}>
      <time>{clockTime(nowMs, i18n.language)}</time>
      <span>{calendarDay(nowMs, i18n.language)}</span>
    </div>
  )
}

export function Header() {
  const { t } = useTranslation()
  const session = useSession()
  const may = useMay()
  const regionName = useRegionName()
  const roleName = useRoleName()
  return (
    <header className={styles.header}>
      <Link to={homeOf(session)} className={styles.brand}>
        <img src="/mark.svg" alt="" width="28" height="28" />
        <span>{t('app.name')}</span>
      </Link>
      {may('overview.read') ? <Figures /> : <span />}
      <div className={styles.right}>
        <LiveMark />
        <WallClock />
        <div className={styles.who}>
          <strong>{session.displayName}</strong>
          <span>
            {roleName(session.role, session.roleName)} · {regionName(session.scope)}
          </span>
        </div>
        <Link to="/account">{t('nav.account')}</Link>
        <LanguageSwitch />
        <SignOutButton />
      </div>
    </header>
  )
}
