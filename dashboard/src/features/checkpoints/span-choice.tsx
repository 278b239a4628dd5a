import { useTranslation } from 'react-i18next'
import { TabRow } from '../../ui/tab-row.tsx'
import { SPANS, type SpanName } from './series-figures.ts'

export function SpanChoice({ span, onChoose }: { span: SpanName; onChoose: (span: SpanName) => void }) {
  const { t } = useTranslation()
  const tabs = (Object.keys(SPANS) as SpanName[]).map((value) => ({ value, label: t(`span.${value}`) }))
  return <TabRow label={t('span.label')} tabs={tabs} chosen={span} onChoose={onChoose} />
}
