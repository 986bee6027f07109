// In the machine's own Chromium, on its software adapter. tools/web-test says where the browser is.
import { defineConfig } from '@playwright/test';

const port = process.env.IJEPA_WEB_PORT ?? '4174'; // another one where several trees are tested at once
// Not the root of the server: links must be relative.
const url = `http://localhost:${port}/any/folder/`;

export default defineConfig({
  testDir: process.env.IJEPA_WEB_TESTS ?? 'tests', // or bench
  outputDir: '../target/web-tests',
  reporter: 'list',
  workers: 1, // one software adapter already takes all cores
  timeout: 120_000,
  expect: { timeout: 20_000 }, // loading takes seconds where other work has the cores
  retries: 1, // what answers too late twice is too slow
  forbidOnly: true,
  use: {
    baseURL: url,
    viewport: { width: 1280, height: 800 },
    launchOptions: {
      executablePath: process.env.IJEPA_CHROMIUM,
      args: [
        '--headless=new',
        '--no-sandbox', // root has none
        '--enable-unsafe-webgpu', // gives the software adapter
        '--no-first-run',
        '--disable-quic',
        '--disable-background-networking',
        '--disable-component-update',
        '--disable-sync',
      ],
    },
  },
  webServer: { command: `node_modules/.bin/vite preview --host localhost --port ${port} --strictPort --base /any/folder/`, url },
});
