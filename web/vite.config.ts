import { defineConfig } from 'vite';

const here = (path: string) => new URL(path, import.meta.url).pathname;

export default defineConfig({
  base: './', // relative links: the page works from any folder of any server
  resolve: { alias: { ijepa: here('pkg/ijepa.js') } },
  worker: { format: 'es' },
  build: {
    target: 'es2022',
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0, // what is inlined is a data: URL, which the page's policy refuses
    rollupOptions: {
      input: { page: here('index.html'), example: here('example/index.html') },
      output: {
        // The example's code apart: no visitor of the page loads it, and sizes.mjs leaves it out.
        entryFileNames: ({ name }) => (name === 'example' ? 'example/[name]-[hash].js' : 'assets/[name]-[hash].js'),
      },
    },
  },
});
