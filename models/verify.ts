/** Checks a model as the edge does before it uses it. */
import type { ModelEntry } from '@patrolhub/protocol'
import { InferenceSession } from 'onnxruntime-node'
import { DetectionSession, decoderOf } from '../edge/src/detect/detection-session.ts'
import { type LoadedModelInfo, readModelFile } from '../edge/src/detect/model-file.ts'
import { PrepareError } from './prepare-error.ts'

/**
 * The hash, that onnxruntime loads the file, and that its shapes fit: those of a detector against its decoder, by
 * running it once, those of any other model against the catalogue. Throws EDGE_MODEL_… or PrepareError.
 */
export async function verifyModel(model: LoadedModelInfo): Promise<void> {
  const { entry } = model
  if (entry.task === 'detection') {
    const { widthPx = 0, heightPx = 0 } = entry.input
    const { scoreThreshold } = decoderOf(entry)
    const session = await DetectionSession.open({
      model,
      widthPx,
      heightPx,
      scoreThreshold,
      classes: entry.classes,
    })
    await session.close()
    return
  }
  const session = await InferenceSession.create(await readModelFile(model), { logSeverityLevel: 3 })
  try {
    checkDeclared(model.path, [entry.input], session.inputMetadata)
    checkDeclared(model.path, entry.outputs, session.outputMetadata)
  } finally {
    await session.release()
  }
}

function checkDeclared(
  path: string,
  wanted: readonly Pick<ModelEntry['input'], 'name' | 'shape'>[],
  declared: readonly InferenceSession.ValueMetadata[],
): void {
  for (const { name, shape } of wanted) {
    const value = declared.find((candidate) => candidate.name === name)
    const actual = value?.isTensor ? `[${value.shape.join(', ')}]` : 'missing'
    const expected = `[${shape.join(', ')}]`
    if (actual !== expected)
      throw new PrepareError(`${path}: ${name} is ${actual}, the catalogue says ${expected}`)
  }
}
