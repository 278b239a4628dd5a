import { createBrowserRouter } from 'react-router'
import { LoadingNote } from '../ui/notes.tsx'
import { ControlRoomLayout } from './layout/control-room-layout.tsx'
import { PatrolLayout } from './layout/patrol-layout.tsx'
import { FaultPage, NotFoundPage } from './pages/fault-page.tsx'
import { PasswordPage } from './pages/password-page.tsx'
import { SignInPage } from './pages/sign-in-page.tsx'
import { SignedIn } from './signed-in.tsx'

/** Every address of the dashboard. Pages with a player or a chart are fetched when somebody goes there. */
export function makeRouter() {
  return createBrowserRouter([
    {
      ErrorBoundary: FaultPage,
      children: [
        { path: '/sign-in', Component: SignInPage },
        { path: '/password', Component: PasswordPage },
        {
          path: '/second-factor',
          HydrateFallback: LoadingNote,
          lazy: async () => ({ Component: (await import('./pages/enrol-page.tsx')).EnrolPage }),
        },
        {
          Component: SignedIn,
          HydrateFallback: LoadingNote,
          children: [
            {
              Component: ControlRoomLayout,
              children: [
                {
                  index: true,
                  lazy: async () => ({
                    Component: (await import('./pages/control-room-page.tsx')).ControlRoomPage,
                  }),
                },
                {
                  path: '/incidents/:incidentId',
                  lazy: async () => ({ Component: (await import('./pages/incident-page.tsx')).IncidentPage }),
                },
                {
                  path: '/live',
                  lazy: async () => ({ Component: (await import('./pages/live-page.tsx')).LivePage }),
                },
                {
                  path: '/approvals',
                  lazy: async () => ({
                    Component: (await import('./pages/approvals-page.tsx')).ApprovalsPage,
                  }),
                },
                {
                  path: '/plans',
                  lazy: async () => ({ Component: (await import('./pages/plans-page.tsx')).PlansPage }),
                },
                {
                  path: '/watch',
                  lazy: async () => ({ Component: (await import('./pages/watch-page.tsx')).WatchPage }),
                },
                {
                  path: '/passages',
                  lazy: async () => ({
                    Component: (await import('./pages/passages-page.tsx')).PassagesPage,
                  }),
                },
                {
                  path: '/devices',
                  lazy: async () => ({ Component: (await import('./pages/devices-page.tsx')).DevicesPage }),
                },
                {
                  path: '/checkpoints/:checkpointId',
                  lazy: async () => ({
                    Component: (await import('./pages/checkpoint-page.tsx')).CheckpointPage,
                  }),
                },
                {
                  path: '/sensors/:sensorId',
                  lazy: async () => ({ Component: (await import('./pages/sensor-page.tsx')).SensorPage }),
                },
                {
                  path: '/admin',
                  lazy: async () => ({ Component: (await import('./pages/admin-page.tsx')).AdminPage }),
                },
                {
                  path: '/access',
                  lazy: async () => ({ Component: (await import('./pages/access-page.tsx')).AccessPage }),
                },
                {
                  path: '/audit',
                  lazy: async () => ({ Component: (await import('./pages/audit-page.tsx')).AuditPage }),
                },
              ],
            },
            {
              path: '/account',
              lazy: async () => ({ Component: (await import('./pages/account-page.tsx')).AccountPage }),
            },
            {
              path: '/patrol',
              Component: PatrolLayout,
              children: [
                {
                  index: true,
                  lazy: async () => ({
                    Component: (await import('./pages/patrol-page.tsx')).PatrolListPage,
                  }),
                },
                {
                  path: ':dispatchId',
                  lazy: async () => ({
                    Component: (await import('./pages/patrol-page.tsx')).PatrolDispatchPage,
                  }),
                },
              ],
            },
          ],
        },
        { path: '*', Component: NotFoundPage },
      ],
    },
  ])
}
