import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['{protocol,server,edge,models,test,scripts}/**/*.test.ts', 'dashboard/src/**/*.test.{ts,tsx}'],
    // Real brokers, cameras and browsers start inside tests.
    testTimeout: 30_000,
    hookTimeout: 60_000,
    // Two cores and real programs: more files at once only makes every deadline harder to meet.
    maxWorkers: 2,
    // Native addons (onnxruntime, DuckDB) are not safe to load in several worker threads of one process.
    pool: 'forks',
  },
})
