/** The default detector: converted or found by `models/cli.ts prepare`, which knows when there is nothing to do. */
import { mustRun, run } from './exec.mjs'
import { NODE, ROOT } from './paths.mjs'
import { say, step } from './progress.mjs'
import { hashOf, locked, readStamp, writeStamp } from './stamp.mjs'

const STAMP = 'models'
const CLI = 'models/cli.ts'

/** Always asks the models' own command, since only it can tell whether a file is still the one of the catalogue. */
export async function ensureModels() {
  await locked(STAMP, async () => {
    const hash = hashOf(['models/catalogue.json'])
    const isFirst = readStamp(STAMP) !== hash
    await (isFirst ? step('detection model', 'preparing', prepare) : prepare())
    writeStamp(STAMP, hash)
  })
}

/** Without the registry a model that lies on this machine is enough. */
async function prepare() {
  try {
    await mustRun('npm run models -- prepare', NODE, [CLI, 'prepare'], { cwd: ROOT })
  } catch (error) {
    const found = await run(NODE, [CLI, 'verify'], { cwd: ROOT })
    if (found.code !== 0) throw error
    say(`[setup] a detection model was found, though another could not be prepared. ${error.message}`)
  }
}
