/** Name and version of this software, as the hub is told. */
import packageJson from '../package.json' with { type: 'json' }

export const SOFTWARE = `patrolhub-edge ${packageJson.version}`
