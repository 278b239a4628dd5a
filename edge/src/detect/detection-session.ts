/**
 * One detection model in onnxruntime, on one thread: a frame's pixels go in, boxes come out. Opening checks, in this
 * order, the bytes, that onnxruntime can read them, the declared shapes, and the shapes that really come out.
 */
import type { ModelEntry } from '@patrolhub/protocol'
import { InferenceSession, Tensor } from 'onnxruntime-node'
import { EdgeError } from '../errors.ts'
import { toDetections } from './candidate.ts'
import { DETECTION_DECODERS, type DetectionDecoder, type OutputShape } from './decoder.ts'
import type { Detection } from './detection.ts'
import { type LoadedModelInfo, readModelFile } from './model-file.ts'
import { classGroups, suppressOverlaps } from './nms.ts'
import { spreadToPlanes } from './pixels.ts'
import { type SeenFromAbove, seenFromAbove } from './seen-from-above.ts'

/** Overlap above which two boxes of one class group are one object. */
const MAX_IOU = 0.45
/** Far more than the objects of one picture; bounds the work on a picture that looks like noise. */
const MAX_BOXES = 300

export interface DetectionSettings {
  model: LoadedModelInfo
  /** Size of the model's input; multiples of the decoder's `sizeMultiple`. */
  widthPx: number
  heightPx: number
  scoreThreshold: number
  /** What the model runs on; the processor unless set. */
  device?: 'cpu' | 'cuda' | undefined
  /** Names of the classes that matter. */
  classes: readonly string[]
}

/** The decoder of a catalogue entry. Throws EDGE_MODEL_CATALOGUE for a model that is not a detector. */
export function decoderOf(entry: ModelEntry): DetectionDecoder {
  if (entry.decoder === 'signal-novelty' || entry.decoder === 'normality')
    throw new EdgeError(
      'EDGE_MODEL_CATALOGUE',
      `${entry.id} is not a detection model: its decoder is ${entry.decoder}`,
    )
  return DETECTION_DECODERS[entry.decoder]
}

export class DetectionSession {
  readonly #session: InferenceSession
  readonly #settings: DetectionSettings
  readonly #decoder: DetectionDecoder
  readonly #outputs: OutputShape[]
  readonly #groups: readonly number[]
  readonly #isWanted: readonly boolean[]
  readonly #fromAbove: SeenFromAbove
  /** Reused for every frame: one inference runs at a time. */
  readonly #planes: Float32Array
  readonly #input: Tensor

  private constructor(session: InferenceSession, settings: DetectionSettings) {
    const { classes } = settings.model.entry
    this.#session = session
    this.#settings = settings
    this.#decoder = decoderOf(settings.model.entry)
    this.#outputs = this.#decoder.outputShapes(settings, classes.length)
    this.#groups = classGroups(classes)
    this.#fromAbove = seenFromAbove(classes, settings.classes, this.#decoder.scoreThreshold)
    this.#isWanted = classes.map(
      (name, index) => settings.classes.includes(name) || this.#fromAbove.isMeant[index]!,
    )
    this.#planes = new Float32Array(3 * settings.widthPx * settings.heightPx)
    this.#input = new Tensor('float32', this.#planes, [1, 3, settings.heightPx, settings.widthPx])
  }

  get widthPx(): number {
    return this.#settings.widthPx
  }

  get heightPx(): number {
    return this.#settings.heightPx
  }

  /**
   * Throws EDGE_MODEL_MISSING, EDGE_MODEL_HASH, EDGE_MODEL_LOAD or EDGE_MODEL_SHAPE; the last names the file, the
   * shape that the decoder wants and the shape that the model has.
   */
  static async open(settings: DetectionSettings): Promise<DetectionSession> {
    const { model, widthPx, heightPx, device = 'cpu' } = settings
    const bytes = await readModelFile(model)
    const [batch, , height, width] = model.entry.input.shape
    const sizes: [number | string | undefined, number][] = [
      [batch, 1],
      [height, heightPx],
      [width, widthPx],
    ]
    let session: InferenceSession
    try {
      session = await InferenceSession.create(bytes, {
        executionProviders: device === 'cuda' ? ['cuda', 'cpu'] : ['cpu'],
        graphOptimizationLevel: 'all',
        // One worker a core beats more threads, which spin while they wait for one another.
        intraOpNumThreads: 1,
        interOpNumThreads: 1,
        executionMode: 'sequential',
        freeDimensionOverrides: Object.fromEntries(sizes.filter(([name]) => typeof name === 'string')),
        // 3 = errors: onnxruntime writes warnings about other people's graphs to stderr.
        logSeverityLevel: 3,
      })
    } catch (cause) {
      const where = device === 'cuda' ? ' on CUDA (detector.device)' : ''
      throw new EdgeError(
        'EDGE_MODEL_LOAD',
        `onnxruntime cannot load ${model.path}${where}: ${(cause as Error).message}`,
        {
          cause,
        },
      )
    }
    const opened = new DetectionSession(session, settings)
    try {
      opened.#checkDeclaredShapes()
      await opened.#runModel()
    } catch (error) {
      await session.release()
      throw error
    }
    return opened
  }

  /** `pixels` is `widthPx * heightPx * 3` bytes, the picture at the top left. */
  async detect(
    pixels: Uint8Array,
    picture: { widthPx: number; heightPx: number },
  ): Promise<{ detections: Detection[]; inferenceMs: number }> {
    const startedAtMs = performance.now()
    spreadToPlanes(pixels, this.#planes)
    const outputs = await this.#runModel()
    const { widthPx, heightPx, scoreThreshold, model } = this.#settings
    const options = { widthPx, heightPx, scoreThreshold, isWanted: this.#isWanted }
    const candidates = this.#fromAbove.rename(this.#decoder.decode(outputs, options))
    const kept = suppressOverlaps(candidates, { groups: this.#groups, maxIou: MAX_IOU, maxBoxes: MAX_BOXES })
    return {
      detections: toDetections(kept, picture, model.entry.classes),
      inferenceMs: performance.now() - startedAtMs,
    }
  }

  async close(): Promise<void> {
    await this.#session.release()
  }

  #checkDeclaredShapes(): void {
    const { entry } = this.#settings.model
    const wantedInputs = [{ name: entry.input.name, shape: [...this.#input.dims] }]
    this.#checkValues('input', wantedInputs, this.#session.inputMetadata)
    this.#checkValues('output', this.#outputs, this.#session.outputMetadata)
  }

  #checkValues(
    side: 'input' | 'output',
    wanted: readonly OutputShape[],
    declared: readonly InferenceSession.ValueMetadata[],
  ): void {
    for (const { name, shape } of wanted) {
      const value = declared.find((candidate) => candidate.name === name)
      if (!value) {
        const names = declared.map((candidate) => candidate.name).join(', ')
        throw this.#shapeError(`${side} ${name} ${show(shape)}`, `${side}s ${names}`)
      }
      if (!value.isTensor || value.type !== 'float32')
        throw this.#shapeError(`${side} ${name} float32`, value.isTensor ? value.type : 'no tensor')
      if (!fits(value.shape, shape))
        throw this.#shapeError(`${side} ${name} ${show(shape)}`, show(value.shape))
    }
    if (side === 'input' && declared.length !== wanted.length)
      throw this.#shapeError('one input', `inputs ${declared.map((value) => value.name).join(', ')}`)
  }

  async #runModel(): Promise<Float32Array[]> {
    const names = this.#outputs.map((output) => output.name)
    const results = await this.#session.run({ [this.#settings.model.entry.input.name]: this.#input }, names)
    return this.#outputs.map(({ name, shape }) => {
      const { dims, data } = results[name]!
      if (!fits(dims, shape)) throw this.#shapeError(`output ${name} ${show(shape)}`, show(dims))
      return data as Float32Array
    })
  }

  #shapeError(wanted: string, actual: string): EdgeError {
    const { model, widthPx, heightPx } = this.#settings
    return new EdgeError(
      'EDGE_MODEL_SHAPE',
      `${model.path} does not fit the decoder ${model.entry.decoder} at ${widthPx}x${heightPx} with ` +
        `${model.entry.classes.length} classes: wanted ${wanted}, the model has ${actual}`,
    )
  }
}

/** A named dimension of the model fits any size. */
function fits(declared: readonly (number | string)[], wanted: readonly number[]): boolean {
  return (
    declared.length === wanted.length &&
    declared.every((size, axis) => typeof size === 'string' || size === wanted[axis])
  )
}

function show(shape: readonly (number | string)[]): string {
  return `[${shape.join(', ')}]`
}
