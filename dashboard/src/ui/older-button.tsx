import type { UseInfiniteQueryResult } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import { Button } from './button.tsx'
import styles from './older-button.module.css'

interface OlderButtonProps {
  query: Pick<UseInfiniteQueryResult, 'hasNextPage' | 'isFetchingNextPage' | 'fetchNextPage'>
}

/** Below a list that comes by pages, the newest first: the way to the next page, if there is one. */
export function OlderButton({ query: { hasNextPage, isFetchingNextPage, fetchNextPage } }: OlderButtonProps) {
  const { t } = useTranslation()
  if (!hasNextPage) return null
  return (
    <div className={styles.older}>
      <Button isBusy={isFetchingNextPage} onClick={() => void fetchNextPage()}>
        {t('common.older')}
      </Button>
    </div>
  )
}
