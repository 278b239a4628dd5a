/** The thread that owns the journal file: takes one request after the other and answers each. */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { parentPort, workerData } from 'node:worker_threads'
import { EdgeError } from '../errors.ts'
import { JournalFile, toEdgeError } from './journal-file.ts'
import type { JournalAnswer, JournalRequest, JournalWorkerData } from './worker-messages.ts'

const port = parentPort
if (!port) throw new Error('journal-worker.ts runs as a worker thread only')
const { dataDir, ...limits } = workerData as JournalWorkerData

/**
 * The edge lets V8 collect seldom (see main.ts), for the sake of the thread that pictures go through. What this one leaves
 * would pile up for an hour; collecting it takes some milliseconds, for which nobody waits.
 */
const COLLECT_MS = 60_000
setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void
setInterval(collectGarbage, COLLECT_MS).unref()

let file: JournalFile | undefined

function handle(request: JournalRequest): Omit<Extract<JournalAnswer, { ok: true }>, 'id' | 'ok'> {
  if (request.op === 'open') {
    file = new JournalFile(dataDir, limits)
    return { state: file.state() }
  }
  if (!file) throw new EdgeError('EDGE_JOURNAL_CLOSED', 'The journal is not open.')
  switch (request.op) {
    case 'commit': {
      const isCurrent = request.truncateEpoch === file.state().epoch
      const seqs = file.commit(request.records, isCurrent ? request.truncate : {})
      if (request.records.length === 0) file.shrink()
      return { seqs, state: file.state() }
    }
    case 'read':
      return { slice: file.read(request.stream, request.fromSeq, request) }
    case 'renew-epoch':
      file.renewEpoch()
      return { state: file.state() }
    case 'close':
      file.close()
      file = undefined
      return {}
  }
}

port.on('message', (request: JournalRequest) => {
  let answer: JournalAnswer
  try {
    answer = { id: request.id, ok: true, ...handle(request) }
  } catch (error) {
    const known = toEdgeError(error, dataDir)
    answer = {
      id: request.id,
      ok: false,
      code: known instanceof EdgeError ? known.code : 'fault',
      message: known instanceof Error ? known.message : String(known),
    }
  }
  port.postMessage(answer)
  if (request.op === 'close') port.close()
})
