/** The form of `models/catalogue.json`: what each model is, where it comes from and how it is read. */
import { type Static, Type } from 'typebox'
import { Sha256 } from './units.ts'

const Source = Type.Union([
  /** Ships in this repository at `file`. */
  Type.Object({ kind: Type.Literal('repository'), file: Type.String() }),
  /** Made by our converter from files of an npm tarball, each checked by hash. */
  Type.Object({
    kind: Type.Literal('npm-tarball'),
    package: Type.String(),
    version: Type.String(),
    tarballSha512: Type.String(),
    files: Type.Array(Type.Object({ path: Type.String(), sha256: Sha256 })),
    converter: Type.String(),
  }),
  /** Used when its file is found on disk; `origin` says where such a file comes from. */
  Type.Object({ kind: Type.Literal('found'), origin: Type.String() }),
  /** Found on disk, or downloaded on a user's command from its official release. */
  Type.Object({ kind: Type.Literal('release'), url: Type.String() }),
])

export const ModelEntry = Type.Object({
  id: Type.String({ pattern: '^[a-z0-9][a-z0-9-]{0,59}$' }),
  task: Type.Union([Type.Literal('detection'), Type.Literal('signal'), Type.Literal('normality')]),
  title: Type.String(),
  source: Source,
  licence: Type.String(),
  file: Type.String({ description: 'file name of the ONNX model' }),
  sha256: Sha256,
  input: Type.Object({
    name: Type.String(),
    layout: Type.Union([Type.Literal('NCHW'), Type.Literal('vector')]),
    /** Default size; `sizeMultiple` says what other sizes are possible. */
    widthPx: Type.Optional(Type.Integer()),
    heightPx: Type.Optional(Type.Integer()),
    sizeMultiple: Type.Optional(Type.Integer()),
    channels: Type.Optional(Type.Union([Type.Literal('BGR'), Type.Literal('RGB')])),
    range: Type.Optional(Type.Tuple([Type.Number(), Type.Number()])),
    shape: Type.Array(Type.Union([Type.Integer(), Type.String()])),
  }),
  outputs: Type.Array(
    Type.Object({ name: Type.String(), shape: Type.Array(Type.Union([Type.Integer(), Type.String()])) }),
  ),
  decoder: Type.Union([
    Type.Literal('yolox'),
    Type.Literal('centernet'),
    Type.Literal('signal-novelty'),
    Type.Literal('normality'),
  ]),
  classes: Type.Array(Type.String()),
  note: Type.Optional(Type.String()),
})
export type ModelEntry = Static<typeof ModelEntry>

/** Models of one task are listed best first: the first that is found is used. */
export const ModelCatalogue = Type.Object({ models: Type.Array(ModelEntry) })
export type ModelCatalogue = Static<typeof ModelCatalogue>
