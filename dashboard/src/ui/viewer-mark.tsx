import { useSession } from '../lib/session.ts'
import { fullTime } from '../lib/time.ts'
import { useNowMs } from '../lib/use-now.ts'
import styles from './viewer-mark.module.css'

/** Who watches and when, over the whole picture: a photograph of the screen names its maker. */
export function ViewerMark() {
  const { displayName, username } = useSession()
  const text = `${displayName} (${username}) ${fullTime(useNowMs())}`
  return (
    <div className={styles.marks} aria-hidden="true">
      {['a', 'b', 'c'].map((place) => (
        <span key={place}>{text}</span>
      ))}
    </div>
  )
}
