import { useQuery } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import { NavLink, Outlet } from 'react-router'
import { grantsQuery } from '../../lib/queries.ts'
import { useMay, useSession } from '../../lib/session.ts'
import { Icon, type IconName } from '../../ui/icon.tsx'
import styles from './control-room-layout.module.css'
import { Header } from './header.tsx'
import { LostBanner } from './lost-banner.tsx'

interface Place {
  to: string
  icon: IconName
  key: string
  /** Shown to those who have this permission. */
  needs: string
}

const PLACES: readonly Place[] = [
  { to: '/', icon: 'room', key: 'nav.room', needs: 'overview.read' },
  { to: '/live', icon: 'video', key: 'nav.live', needs: 'grant.request' },
  { to: '/devices', icon: 'chart', key: 'nav.devices', needs: 'device.read' },
  { to: '/approvals', icon: 'approve', key: 'nav.approvals', needs: 'grant.approve' },
  { to: '/plans', icon: 'plan', key: 'nav.plans', needs: 'plan.read' },
  { to: '/watch', icon: 'chart', key: 'nav.watch', needs: 'watchlist.read' },
  { to: '/passages', icon: 'out', key: 'nav.passages', needs: 'series.read' },
  { to: '/admin', icon: 'admin', key: 'nav.admin', needs: 'user.read' },
  { to: '/admin', icon: 'admin', key: 'nav.edges', needs: 'edge.write' },
  { to: '/access', icon: 'approve', key: 'nav.access', needs: 'access.explain' },
  { to: '/audit', icon: 'audit', key: 'nav.audit', needs: 'audit.read' },
]

function WaitingCount() {
  const { userId } = useSession()
  const { data } = useQuery(grantsQuery)
  const waiting = data?.items.filter((grant) => grant.state === 'pending' && grant.userId !== userId) ?? []
  return waiting.length > 0 ? <span className={styles.count}>{waiting.length}</span> : null
}

export function ControlRoomLayout() {
  const { t } = useTranslation()
  const may = useMay()
  // Who may manage people reaches the same page by the wider name.
  const places = PLACES.filter(
    (place) => may(place.needs) && !(place.key === 'nav.edges' && may('user.read')),
  )
  return (
    <div className={styles.layout}>
      <a className={styles.skip} href="#main">
        {t('nav.skip')}
      </a>
      <Header />
      <LostBanner />
      <nav className={styles.nav} aria-label={t('nav.label')}>
        {places.map((place) => (
          <NavLink key={place.key} to={place.to} end={place.to === '/'} className={styles.place}>
            <Icon name={place.icon} />
            <span>{t(place.key)}</span>
            {place.to === '/approvals' ? <WaitingCount /> : null}
          </NavLink>
        ))}
      </nav>
      <main id="main" className={styles.main} tabIndex={-1}>
        <Outlet />
      </main>
    </div>
  )
}
