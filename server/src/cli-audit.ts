/** The commands about the record: check, export, seal, change the key. */
import { resolve } from 'node:path'
import type { Logger } from 'pino'
import { openRelational } from './adapters/relational/open.ts'
import { auditFeature } from './audit/audit-feature.ts'
import { readKeptSeal, verifyFile, writeRecord } from './audit/record-file.ts'
import type { FileVerdict } from './audit/record-lines.ts'
import { verifyRows } from './audit/record-rows.ts'
import { Sealer } from './audit/sealer.ts'
import type { Trust, Verdict, Verified } from './audit/verify-record.ts'
import { chinaTime } from './china-day.ts'
import type { HubConfig } from './config.ts'
import { requireStore } from './data-folder.ts'
import { HubError } from './errors.ts'

export type VerifyCommand = {
  kind: 'audit verify'
  /** An export; `undefined` for the record of the data folder. */
  file: string | undefined
  keyId: string | undefined
  /** File of a seal that was kept elsewhere. */
  sinceSeal: string | undefined
  asJson: boolean
}
export type AuditCommand =
  | VerifyCommand
  | { kind: 'audit export'; out: string; fromMs: number | undefined; toMs: number | undefined }
  | { kind: 'audit seal' }
  | { kind: 'audit rotate-key'; out: string | undefined; isLost: boolean }

export function isAuditCommand<T extends { kind: string }>(
  command: T | AuditCommand,
): command is AuditCommand {
  return command.kind.startsWith('audit ')
}

export const AUDIT_USAGE = `  audit verify [FILE] [--key FINGERPRINT] [--since-seal FILE] [--json]
                                                        check the record of who did what, or an export of it without the
                                                        hub; names the first entry or seal that does not fit (exit code 1)
  audit export --out FILE [--from TIME] [--to TIME]     write the record with its seals and keys as JSON Lines
  audit seal                                            seal the record now and print the newest seal, to keep elsewhere
  audit rotate-key [--out FILE] [--lost]                let a new key seal from now on, signed by the one before`

/** What stands behind `audit`. Throws HUB_USAGE. */
export function parseAuditCommand(
  verb: string,
  rest: readonly string[],
  values: {
    out?: string | undefined
    from?: string | undefined
    to?: string | undefined
    key?: string | undefined
    'since-seal'?: string | undefined
    json?: boolean | undefined
    lost?: boolean | undefined
  },
): AuditCommand {
  const out = values.out === undefined ? undefined : resolve(values.out)
  if (rest.length > (verb === 'verify' ? 1 : 0)) {
    throw new HubError('HUB_USAGE', `"audit ${verb}" takes no further words; see --help`)
  }
  switch (verb) {
    case 'verify': {
      const [file] = rest
      const sinceSeal = values['since-seal']
      return {
        kind: 'audit verify',
        file: file === undefined ? undefined : resolve(file),
        keyId: values.key === undefined ? undefined : fingerprintOf(values.key),
        sinceSeal: sinceSeal === undefined ? undefined : resolve(sinceSeal),
        asJson: values.json === true,
      }
    }
    case 'export':
      if (out === undefined) throw new HubError('HUB_USAGE', '"audit export" needs --out FILE; see --help')
      return { kind: 'audit export', out, fromMs: timeOf('from', values.from), toMs: timeOf('to', values.to) }
    case 'seal':
      return { kind: 'audit seal' }
    case 'rotate-key':
      return { kind: 'audit rotate-key', out, isLost: values.lost === true }
    default:
      throw new HubError('HUB_USAGE', `there is no command "audit ${verb}"; see --help`)
  }
}

/** As people write it down: capitals, spaces and colons do not count. */
function fingerprintOf(text: string): string {
  const keyId = text.replaceAll(/[\s:]/g, '').toLowerCase()
  if (/^[0-9a-f]{64}$/.test(keyId)) return keyId
  throw new HubError('HUB_USAGE', '--key: a fingerprint has 64 hexadecimal digits; see --help')
}

function timeOf(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const atMs = chinaTime(text)
  if (atMs !== undefined) return atMs
  throw new HubError('HUB_USAGE', `--${name}: expected 2026-11-22 or 2026-11-22T18:30, got ${text}`)
}

/** `isGood` false: the command did its work, and what it found is not in order. */
export interface CommandResult {
  text: string
  isGood: boolean
}

/** Checks an export. Needs neither settings nor a data folder. */
export async function verifyExport(command: VerifyCommand & { file: string }): Promise<CommandResult> {
  return report(await verifyFile(command.file, await trustOf(command)), command.asJson)
}

/** Runs a command against the data folder, also beside a running hub. */
export async function runAuditCommand(
  command: AuditCommand,
  config: HubConfig,
  log: Logger,
): Promise<CommandResult> {
  requireStore(config)
  const relational = await openRelational(config, log)
  try {
    const audit = auditFeature({ config, relational })
    const sealer = new Sealer({ config, relational, audit, log })
    switch (command.kind) {
      case 'audit verify':
        return report(await verifyRows(relational.read, await trustOf(command)), command.asJson)
      case 'audit export': {
        const { out, fromMs, toMs } = command
        await relational.write.transaction().execute((trx) =>
          audit.append(trx, {
            actor: undefined,
            action: 'audit.exported',
            subject: 'audit:record',
            detail: { fromMs: fromMs ?? null, toMs: toMs ?? null },
          }),
        )
        await sealer.sealOrTell()
        const span = { fromMs, toMs }
        const key = await sealer.key()
        const { entries, firstSeq, lastSeq } = await writeRecord(relational.read, {
          file: out,
          span,
          key,
          nowMs: Date.now(),
        })
        const lines = [`${out}: ${entries} entries, ${firstSeq} to ${lastSeq}`, `sealed by key: ${key.keyId}`]
        if (sealer.problem) lines.push(`NOT SEALED up to its end: ${sealer.problem}`)
        return { text: `${lines.join('\n')}\n`, isGood: sealer.problem === '' }
      }
      case 'audit seal': {
        const seal = await sealer.seal()
        if (!seal) return { text: 'there is nothing to seal yet\n', isGood: true }
        return { text: `${JSON.stringify(seal)}\n`, isGood: true }
      }
      case 'audit rotate-key': {
        const { out: to, isLost } = command
        const { keyNo, keyId, fromSeal } = await sealer.rotate({ isLost, to })
        const lines = [`key ${keyNo} seals from seal ${fromSeal} on`, `fingerprint: ${keyId}`]
        if (to !== undefined) {
          lines.push(
            `its private half is in ${to}: name it with PATROLHUB_SEAL_KEY_FILE and restart every hub`,
          )
        }
        return { text: `${lines.join('\n')}\n`, isGood: true }
      }
    }
  } finally {
    await relational.close()
  }
}

async function trustOf({ keyId, sinceSeal }: VerifyCommand): Promise<Trust> {
  return { keyId, seal: sinceSeal === undefined ? undefined : await readKeptSeal(sinceSeal) }
}

/** Throws HUB_AUDIT_BROKEN, unless it is to be JSON. */
function report(result: Verdict | FileVerdict, asJson: boolean): CommandResult {
  if (asJson) return { text: `${JSON.stringify(result, undefined, 1)}\n`, isGood: result.ok }
  if (!result.ok) {
    const place = 'line' in result ? `line ${result.line}: ` : ''
    throw new HubError('HUB_AUDIT_BROKEN', place + result.reason)
  }
  return { text: describe(result), isGood: true }
}

function describe({
  entries,
  firstSeq,
  lastSeq,
  seals,
  lastSeal,
  keys,
  proven,
  notProven,
}: Verified): string {
  return [
    `the record is whole: ${entries} entries (${firstSeq} to ${lastSeq}), ${seals} seals, ${keys.length} keys`,
    ...(lastSeal
      ? [`newest seal: ${lastSeal.sealNo} over entry ${lastSeal.seq}`, `by key: ${lastSeal.keyId}`]
      : []),
    'proven:',
    ...proven.map((says) => `  - ${says}`),
    'not proven:',
    ...notProven.map((says) => `  - ${says}`),
    '',
  ].join('\n')
}
