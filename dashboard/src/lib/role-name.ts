import { BUILT_IN_ROLES } from '@patrolhub/protocol'
import { useTranslation } from 'react-i18next'

/** A role in words: ours in the reader's language, a composed one as whoever composed it named it. */
export function useRoleName(): (role: string, name: string) => string {
  const { t } = useTranslation()
  return (role, name) => {
    const isOurs = (BUILT_IN_ROLES as readonly string[]).includes(role) && name === role
    return isOurs ? t(`role.${role}`) : name
  }
}
