/** The commands about a data folder as a whole: backup, restore, doctor. */
import type { Logger } from 'pino'
import { openRelational } from './adapters/relational/open.ts'
import type { Manifest } from './backup/manifest.ts'
import type { HubConfig } from './config.ts'
import { askHub } from './control.ts'
import { isHubRunning, lockDataFolder } from './data-folder.ts'

export type StorageCommand =
  | { kind: 'backup'; to: string; dataDir: string | undefined }
  | { kind: 'restore'; from: string; dataDir: string | undefined }
  | { kind: 'doctor'; isFull: boolean; asJson: boolean; dataDir: string | undefined }

export const STORAGE_USAGE = `  backup --to FOLDER                                    copy everything into an empty folder, also while the hub runs
  restore --from FOLDER                                 check a backup and put it into an empty data folder
  doctor [--full] [--json]                              look the data folder over; exit code 1 if something is wrong
                                                        (these three take --data DIR for another data folder)`

/** `isGood` false: the command did its work, and what it found is not in order. */
export async function runStorageCommand(
  command: StorageCommand,
  settings: HubConfig,
  log: Logger,
): Promise<{ text: string; isGood: boolean }> {
  const config = { ...settings, dataDir: command.dataDir ?? settings.dataDir }
  switch (command.kind) {
    case 'backup': {
      const { describeBackup } = await import('./backup/backup.ts')
      const manifest = await makeBackup(config, command.to, log)
      return { text: describeBackup(manifest, command.to), isGood: manifest.damaged.length === 0 }
    }
    case 'restore': {
      const { restoreBackup } = await import('./backup/restore.ts')
      const { madeAtMs, files } = await restoreBackup(config, command.from)
      const madeAt = new Date(madeAtMs).toISOString()
      return { text: `restored ${files.length} files of ${madeAt} into ${config.dataDir}\n`, isGood: true }
    }
    case 'doctor': {
      const { describeFindings, examine } = await import('./doctor/doctor.ts')
      const findings = await examine({ config, isFull: command.isFull })
      const isGood = findings.every(({ level }) => level !== 'problem')
      const text = command.asJson
        ? `${JSON.stringify({ isGood, findings }, undefined, 1)}\n`
        : describeFindings(findings)
      return { text, isGood }
    }
  }
}

/** By the running hub, which holds the points; by this process if none runs. */
async function makeBackup(config: HubConfig, to: string, log: Logger): Promise<Manifest> {
  if (isHubRunning(config.dataDir)) {
    return askHub<Manifest>(config.dataDir, { job: 'backup', wish: { to }, failsWith: 'HUB_BACKUP' })
  }
  const { writeBackup } = await import('./backup/backup.ts')
  const { openTimeSeries } = await import('./adapters/timeseries/open.ts')
  await using stack = new AsyncDisposableStack()
  const folder = stack.adopt(lockDataFolder(config.dataDir), (locked) => locked.release())
  const relational = stack.adopt(await openRelational(config, log), (store) => store.close())
  const timeseries = stack.adopt(await openTimeSeries(config, folder.path, log), (store) => store.close())
  return await writeBackup({ config, relational, timeseries }, to)
}
