/** The default detector: converted or found by `models/cli.ts prepare`, which knows when there is nothing to do. */
import { mustRun } from './exec.mjs'
import { NODE, ROOT } from './paths.mjs'
import { step } from './progress.mjs'
import { hashOf, locked, readStamp, writeStamp } from './stamp.mjs'

const STAMP = 'models'

/** Always asks the models' own command, since only it can tell whether a file is still the one of the catalogue. */
export async function ensureModels() {
  await locked(STAMP, async () => {
    const hash = hashOf(['models/catalogue.json'])
    const isFirst = readStamp(STAMP) !== hash
    const prepare = () =>
      mustRun('npm run models -- prepare', NODE, ['models/cli.ts', 'prepare'], { cwd: ROOT })
    await (isFirst ? step('detection model', 'preparing', prepare) : prepare())
    writeStamp(STAMP, hash)
  })
}
