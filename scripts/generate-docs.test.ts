import { expect, it } from 'vitest'
import { staleDocs } from './generate-docs.ts'

it('the reference pages and .env.example say what the sources say (else: npm run docs)', async () => {
  expect(await staleDocs()).toEqual([])
})
