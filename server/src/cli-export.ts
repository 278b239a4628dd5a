/** The commands about exported packages: print the key that signs them, check one anywhere. */
import { resolve } from 'node:path'
import type { HubConfig } from './config.ts'
import { makeDataFolder } from './data-folder.ts'
import { HubError } from './errors.ts'
import { exportKeyOf } from './exports/export-key.ts'
import { describeExport, verifyExport } from './exports/verify.ts'

/** Needs neither settings nor a data folder. */
export type ExportCheckCommand = { kind: 'export verify'; file: string; fingerprint: string | undefined }
export type ExportCommand = { kind: 'export key' } | ExportCheckCommand

export const EXPORT_USAGE = `  export verify FILE [--key FINGERPRINT]                check an exported package of video without the hub; names the
                                                        first thing that is wrong (exit code 1)
  export key                                            print the public key with which exports are signed`

/** What stands behind `export`. Throws HUB_USAGE. */
export function parseExportCommand(
  verb: string,
  rest: readonly string[],
  key: string | undefined,
): ExportCommand {
  const [file] = rest
  if (verb === 'key' && file === undefined) return { kind: 'export key' }
  if (verb === 'verify' && file !== undefined && rest.length === 1) {
    return { kind: 'export verify', file: resolve(file), fingerprint: key?.toLowerCase() }
  }
  throw new HubError(
    'HUB_USAGE',
    `"export ${verb}" ${verb === 'verify' ? 'needs FILE' : 'is no command'}; see --help`,
  )
}

/** `isGood` false: the package is not what was signed. Throws HUB_USAGE if the file cannot be read. */
export async function checkExport({
  file,
  fingerprint,
}: ExportCheckCommand): Promise<{ text: string; isGood: boolean }> {
  const check = await verifyExport(file, fingerprint).catch((error: Error) => {
    throw new HubError('HUB_USAGE', `${file} cannot be read: ${error.message}`, { cause: error })
  })
  return check.ok
    ? { text: describeExport(check.manifest), isGood: true }
    : { text: `the package is not what was signed: ${check.reason}\n`, isGood: false }
}

/** Makes the key if there is none yet. */
export function showExportKey(config: Pick<HubConfig, 'dataDir' | 'exportKey'>): string {
  makeDataFolder(config.dataDir)
  const { publicKey, fingerprint } = exportKeyOf(config.dataDir, config.exportKey)
  return `fingerprint: ${fingerprint}\npublic key:  ${publicKey}\n`
}
