import { useEffect, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { Button } from '../../ui/button.tsx'
import { TextArea, textOf } from '../../ui/field.tsx'
import { Icon } from '../../ui/icon.tsx'
import { useOutbox } from './outbox-context.tsx'
import styles from './patrol.module.css'
import { scaledPhoto } from './photo.ts'

const MAX_PHOTOS = 6

function Preview({ photo, onRemove, label }: { photo: Blob; onRemove: () => void; label: string }) {
  const { t } = useTranslation()
  const [url, setUrl] = useState('')
  useEffect(() => {
    const made = URL.createObjectURL(photo)
    setUrl(made)
    return () => URL.revokeObjectURL(made)
  }, [photo])
  return (
    <li className={styles.preview}>
      {url ? <img src={url} alt={label} /> : null}
      <Button onClick={onRemove} aria-label={`${t('patrol.removePhoto')}: ${label}`}>
        {t('patrol.removePhoto')}
      </Button>
    </li>
  )
}

/** What was found and done, with photos; closes the dispatch. */
export function CloseForm({ dispatchId, onDone }: { dispatchId: string; onDone: () => void }) {
  const { t } = useTranslation()
  const outbox = useOutbox()
  const [photos, setPhotos] = useState<readonly Blob[]>([])
  const [problem, setProblem] = useState('')
  const [isBusy, setBusy] = useState(false)

  const take = async (files: FileList | null) => {
    setProblem('')
    setBusy(true)
    for (const file of files ?? []) {
      try {
        const photo = await scaledPhoto(file)
        setPhotos((before) => [...before, photo].slice(0, MAX_PHOTOS))
      } catch {
        setProblem(t('patrol.photoUnreadable', { name: file.name }))
      }
    }
    setBusy(false)
  }

  const close = async (note: string) => {
    setBusy(true)
    try {
      // Photos first: once it is closed, the hub takes no more.
      for (const photo of photos) await outbox.addPhoto(dispatchId, photo, Date.now())
      await outbox.addStep(dispatchId, { state: 'closed', note }, Date.now())
      onDone()
    } catch {
      setProblem(t('patrol.outboxFull'))
      setBusy(false)
    }
  }

  return (
    <form
      className={styles.closeForm}
      aria-label={t('patrol.closeTitle')}
      onSubmit={(event) => {
        event.preventDefault()
        void close(textOf(new FormData(event.currentTarget), 'note'))
      }}
    >
      <TextArea label={t('patrol.note')} name="note" required maxLength={1000} rows={4} />
      <ul className={styles.previews}>
        {photos.map((photo, index) => (
          <Preview
            // biome-ignore lint/suspicious/noArrayIndexKey: a photo has no name of its own and keeps its place.
            key={index}
            photo={photo}
            label={t('patrol.photoNumber', { number: index + 1 })}
            onRemove={() => setPhotos((before) => before.filter((item) => item !== photo))}
          />
        ))}
      </ul>
      {photos.length < MAX_PHOTOS ? (
        <label className={styles.photoButton}>
          <Icon name="camera" sizePx={24} />
          <span>{t('patrol.takePhoto')}</span>
          <input
            type="file"
            accept="image/*"
            capture="environment"
            aria-label={t('patrol.takePhoto')}
            onChange={(event) => {
              const input = event.currentTarget
              void take(input.files).then(() => {
                input.value = ''
              })
            }}
          />
        </label>
      ) : null}
      {problem ? <p role="alert">{problem}</p> : null}
      <Button type="submit" look="primary" isBig isBusy={isBusy}>
        {t('patrol.step.closed')}
      </Button>
    </form>
  )
}
