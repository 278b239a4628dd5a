import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['{protocol,server,edge,models,test,scripts}/**/*.test.ts', 'dashboard/src/**/*.test.{ts,tsx}'],
    // Real brokers, cameras and browsers start inside tests.
    testTimeout: 30_000,
    hookTimeout: 60_000,
    // Real programs wait as much as they work: a third file fills two cores, a fourth makes deadlines hard to meet.
    maxWorkers: 3,
    // Native addons (onnxruntime, DuckDB) are not safe to load in several worker threads of one process.
    pool: 'forks',
  },
})
