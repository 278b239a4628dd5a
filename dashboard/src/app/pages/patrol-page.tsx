import { useParams } from 'react-router'
import { PatrolDispatch } from '../../features/patrol/patrol-dispatch.tsx'
import { PatrolList } from '../../features/patrol/patrol-list.tsx'

export function PatrolListPage() {
  return <PatrolList />
}

export function PatrolDispatchPage() {
  const { dispatchId = '' } = useParams()
  return <PatrolDispatch key={dispatchId} dispatchId={dispatchId} />
}
