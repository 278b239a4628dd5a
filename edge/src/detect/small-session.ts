/** Opens models that are far too small to be worth sharing among threads. */
import { InferenceSession } from 'onnxruntime-node'
import { EdgeError } from '../errors.ts'
import { type LoadedModelInfo, readModelFile } from './model-file.ts'

/** @throws EdgeError EDGE_MODEL_HASH, EDGE_MODEL_MISSING or EDGE_MODEL_LOAD. */
export async function openSmallSession(model: LoadedModelInfo): Promise<InferenceSession> {
  const bytes = await readModelFile(model)
  try {
    return await InferenceSession.create(bytes, {
      intraOpNumThreads: 1,
      interOpNumThreads: 1,
      logSeverityLevel: 3,
    })
  } catch (cause) {
    const message = `onnxruntime cannot load ${model.path}: ${(cause as Error).message}`
    throw new EdgeError('EDGE_MODEL_LOAD', message, { cause })
  }
}
