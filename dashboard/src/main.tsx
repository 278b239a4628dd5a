import { createRoot } from 'react-dom/client'
import { App } from './app/app.tsx'
import { startI18n } from './app/i18n.ts'
import './app/styles/tokens.css'
import './app/styles/base.css'

const i18n = await startI18n()
createRoot(document.getElementById('root')!).render(<App i18n={i18n} />)
