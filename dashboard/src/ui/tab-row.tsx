import styles from './tab-row.module.css'

interface Tab<Value extends string> {
  value: Value
  label: string
}

interface TabRowProps<Value extends string> {
  label: string
  tabs: readonly Tab<Value>[]
  chosen: Value
  onChoose: (value: Value) => void
}

/** A row of buttons of which one is pressed: another view of the same panel. */
export function TabRow<Value extends string>({ label, tabs, chosen, onChoose }: TabRowProps<Value>) {
  return (
    <fieldset className={styles.row} aria-label={label}>
      {tabs.map((tab) => (
        <button
          key={tab.value}
          type="button"
          aria-pressed={tab.value === chosen}
          onClick={() => onChoose(tab.value)}
        >
          {tab.label}
        </button>
      ))}
    </fieldset>
  )
}
