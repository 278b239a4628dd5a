/**
 * Settings from the hub laid over the edge's own file: groups setting by setting, devices by their id. What the hub may
 * not say (who the edge is, where the hub is, secrets, folders) is refused, so that nobody at the hub can turn an edge
 * away from it or read its files.
 */
import { parse as parseYaml } from 'yaml'

const GROUPS = ['detector', 'recording'] as const
const DEVICES = { cameras: 'cameraId', checkpoints: 'checkpointId', sensors: 'sensorId' } as const
const VALUES = ['healthSeconds'] as const
/** Paths on the edge's disk. */
const NOT_IN_GROUP: Record<string, readonly string[]> = { detector: ['modelFolders'] }

type Settings = Record<string, unknown>

const isGroup = (value: unknown): value is Settings =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** The file's settings with the hub's over them; `problems` names what the hub may not say. Changes neither. */
export function overlay(file: Settings, document: string): { merged: Settings; problems: string[] } {
  let hub: unknown
  try {
    hub = parseYaml(document) ?? {}
  } catch (error) {
    return { merged: file, problems: [`(hub): is not YAML (${(error as Error).message.split('\n')[0]})`] }
  }
  if (!isGroup(hub)) return { merged: file, problems: ['(hub): must be a group of settings'] }
  const merged: Settings = { ...file }
  const problems: string[] = []
  for (const [name, value] of Object.entries(hub)) {
    if ((VALUES as readonly string[]).includes(name)) merged[name] = value
    else if ((GROUPS as readonly string[]).includes(name)) {
      const barred = isGroup(value)
        ? (NOT_IN_GROUP[name] ?? []).filter((key) => Object.hasOwn(value, key))
        : []
      problems.push(...barred.map((key) => `(hub) ${name}/${key}: is set in the edge's own file only`))
      merged[name] = isGroup(value) && isGroup(file[name]) ? { ...file[name], ...value } : value
    } else if (Object.hasOwn(DEVICES, name)) {
      merged[name] = mergeDevices(file[name], value, DEVICES[name as keyof typeof DEVICES])
    } else problems.push(`(hub) ${name}: is set in the edge's own file only`)
  }
  return { merged, problems }
}

/** Known devices keep what the hub does not say, such as a camera's address; new ones are added at the end. */
function mergeDevices(own: unknown, fromHub: unknown, idName: string): unknown {
  if (!Array.isArray(fromHub)) return fromHub
  const merged: unknown[] = Array.isArray(own) ? [...own] : []
  for (const device of fromHub) {
    const index = merged.findIndex(
      (known) => isGroup(known) && isGroup(device) && known[idName] === device[idName],
    )
    if (index < 0) merged.push(device)
    else merged[index] = { ...(merged[index] as Settings), ...(device as Settings) }
  }
  return merged
}
