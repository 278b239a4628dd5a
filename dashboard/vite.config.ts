/**
 * The hub serves the built files under the policy `script-src 'self'`: no inline script, no eval, nothing from other
 * hosts. While developing, everything that belongs to the hub is passed on to a hub on this machine.
 */
import react from '@vitejs/plugin-react'
import { defineConfig } from 'vite'

const HUB = 'http://127.0.0.1:8440'

export default defineConfig({
  plugins: [react()],
  build: {
    target: 'es2022',
    // A data: URL in a style sheet would need a wider policy.
    assetsInlineLimit: 0,
    rolldownOptions: {
      // The screen takes small functions from the protocol, never its schemas: a compiled schema needs eval.
      treeshake: {
        moduleSideEffects: [{ test: /[\\/](protocol[\\/]src|typebox)[\\/]/, sideEffects: false }],
      },
    },
  },
  server: {
    proxy: {
      // Not as a text: the name of the host has to stay, the hub compares the origin with it.
      '/api': { target: HUB },
      '/media': { target: HUB },
      '/socket.io': { target: HUB, ws: true },
    },
  },
})
