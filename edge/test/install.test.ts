/** The service as `install.sh` lays it out: everything that an edge needs is there, and systemd understands the unit. */
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'

const run = promisify(execFile)
const root = join(import.meta.dirname, '..', '..')
const script = join(root, 'edge', 'deploy', 'install.sh')

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'patrolhub-install-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

describe('the installation of an edge', () => {
  it('lays out a whole edge, without what the folder has picked up, and keeps a configuration', async () => {
    await run('sh', [script, '--stage', folder])
    const program = join(folder, 'opt', 'patrolhub')
    expect(existsSync(join(program, 'node_modules'))).toBe(false)
    expect(existsSync(join(program, 'edge', 'node_modules'))).toBe(false)
    const settings = join(folder, 'etc', 'patrolhub', 'edge.yaml')
    expect((await stat(settings)).mode & 0o777).toBe(0o640)
    expect(await readFile(settings, 'utf8')).toContain('\ndataDir: /var/lib/patrolhub-edge\n')
    // The packages, which the real installation fetches.
    await symlink(join(root, 'node_modules'), join(program, 'node_modules'))
    const { stdout } = await run(process.execPath, [
      join(program, 'edge', 'src', 'main.ts'),
      '--config',
      settings,
      '--check',
    ])
    expect(stdout).toContain('is right: 1 camera(s)')

    await writeFile(settings, '# my own\n')
    await run('sh', [script, '--stage', folder])
    expect(await readFile(settings, 'utf8')).toBe('# my own\n')
  })

  it('refuses what it cannot do before it changes anything', async () => {
    const config = join(folder, 'none.yaml')
    await expect(run('sh', [script, '--stage', folder, '--config', config])).rejects.toMatchObject({
      stderr: expect.stringContaining(`cannot read ${config}`),
    })
    await expect(run('sh', [script, '--wrong'])).rejects.toMatchObject({
      stderr: expect.stringContaining('unknown option --wrong'),
    })
    expect(existsSync(join(folder, 'opt'))).toBe(false)
  })

  it('has a unit that systemd understands', async (context) => {
    const available = await run('systemd-analyze', ['--version']).catch(() => undefined)
    if (!available) {
      process.stderr.write('\n*** NOT TESTED: the unit of the edge; systemd-analyze is not installed\n\n')
      return context.skip()
    }
    // The program's place is the only thing that it may miss here.
    const unit = join(folder, 'patrolhub-edge.service')
    const text = await readFile(join(root, 'edge', 'deploy', 'patrolhub-edge.service'), 'utf8')
    await writeFile(unit, text.replaceAll('/opt/patrolhub/node_modules/.bin/node', process.execPath))
    const { stdout, stderr } = await run('systemd-analyze', ['verify', unit])
    expect(stdout + stderr).toBe('')
  })
})
