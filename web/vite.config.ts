import { defineConfig } from 'vite';

export default defineConfig({
  base: './', // relative links: the page works from any folder of any server
  resolve: { alias: { ijepa: new URL('pkg/ijepa.js', import.meta.url).pathname } },
  worker: { format: 'es' },
  build: {
    target: 'es2022',
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0, // what is inlined is a data: URL, which the page's policy refuses
  },
});
