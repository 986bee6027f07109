import { readFileSync } from 'node:fs';
import { defineConfig } from 'vite';

const here = (path: string) => new URL(path, import.meta.url).pathname;

// What others wrote stands in files of its own, so that sizes.mjs can tell it from the page's own code.
const apart = {
  chunkFileNames: 'assets/[name]-[hash].js',
  manualChunks: (id: string) => (id.includes('/node_modules/') ? 'lib' : undefined),
};
// Only the worker loads wasm-bindgen's glue; the example page has a copy in its own file.
const worker = {
  ...apart,
  manualChunks: (id: string) => (id.includes('/pkg/') ? 'lib-ijepa' : apart.manualChunks(id)),
};

// The policy that the page states for itself. As a header it holds in the worker, too, which has none of its own.
const [, policy = ''] = /Content-Security-Policy"\s+content="([^"]+)"/.exec(readFileSync(here('index.html'), 'utf8')) ?? [];

export default defineConfig({
  base: './', // relative links: the page works from any folder of any server
  resolve: { alias: { ijepa: here('pkg/ijepa.js') } },
  preview: { headers: { 'Content-Security-Policy': policy } },
  worker: { format: 'es', rollupOptions: { output: worker } },
  build: {
    target: 'es2022',
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0, // what is inlined is a data: URL, which the page's policy refuses
    rollupOptions: {
      input: { page: here('index.html'), example: here('example/index.html') },
      output: {
        ...apart,
        // The example's code apart: no visitor of the page loads it, and sizes.mjs leaves it out.
        entryFileNames: ({ name }) => (name === 'example' ? 'example/[name]-[hash].js' : 'assets/[name]-[hash].js'),
      },
    },
  },
});
