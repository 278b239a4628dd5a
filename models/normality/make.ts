/** Writes `normality.onnx` beside this file and prints its SHA-256 for the catalogue: node models/normality/make.ts */
import { createHash } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { encodeModel } from './graph.ts'

const bytes = encodeModel()
writeFileSync(join(import.meta.dirname, 'normality.onnx'), bytes)
console.log(`${bytes.length} bytes, SHA-256 ${createHash('sha256').update(bytes).digest('hex')}`)
