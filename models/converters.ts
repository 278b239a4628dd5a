/** The converters that the catalogue's `source.converter` names: from the files of a package to the bytes of a model. */
import { readGraphModel } from './convert/graph-model.ts'
import { convertGraphModel } from './convert/graph-model-to-onnx.ts'

/** `files` by path in the package. */
type Converter = (files: ReadonlyMap<string, Uint8Array>, description: string) => Uint8Array

export const CONVERTERS: Readonly<Record<string, Converter>> = {
  /** Cut at the two heads: the original goes on with TopK and gathers, which `edge/src/detect/centernet.ts` does. */
  centernet: (files, description) =>
    convertGraphModel(
      readGraphModel(
        file(files, 'package/models/centernet.json'),
        file(files, 'package/models/centernet.bin'),
      ),
      {
        graphName: 'centernet',
        description,
        input: { node: 'tower_0/images', name: 'images' },
        outputs: [
          { node: 'tower_0/keypoints', name: 'heatmap' },
          { node: 'tower_0/wh', name: 'extents' },
        ],
      },
    ),
}

function file(files: ReadonlyMap<string, Uint8Array>, path: string): Uint8Array {
  const bytes = files.get(path)
  if (!bytes) throw new Error(`the converter needs ${path}; list it in the catalogue`)
  return bytes
}
