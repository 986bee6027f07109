// Lighthouse's accessibility score of the built page: `make lighthouse`. Prints what costs points; fails below 95 of 100.
// No test of every day: with its packages it takes 100 MB. (The last version that runs on node 18.)
import { launch } from 'chrome-launcher';
import lighthouse from 'lighthouse';

const LEAST = 95;
const [url] = process.argv.slice(2);
// The server has only just been started.
for (let tries = 0; tries < 50 && !(await fetch(url).catch(() => null)); tries++) await new Promise((done) => setTimeout(done, 200));
const chrome = await launch({
  chromePath: process.env.IJEPA_CHROMIUM,
  chromeFlags: ['--headless=new', '--no-sandbox', '--enable-unsafe-webgpu', '--no-first-run', '--disable-background-networking'],
});
const { lhr } = await lighthouse(url, { port: chrome.port, onlyCategories: ['accessibility'], logLevel: 'error' });
chrome.kill();
if (lhr.runtimeError) throw new Error(lhr.runtimeError.message);
const { score, auditRefs } = lhr.categories.accessibility;
for (const { id, weight } of auditRefs) {
  const { score, title, details } = lhr.audits[id];
  if (!weight || score === null || score === 1) continue;
  const places = (details?.items ?? []).map(({ node }) => node?.snippet).join('\n    ');
  console.log(`${title}\n    ${places}`);
}
const points = Math.round(score * 100);
console.log(`Lighthouse ${lhr.lighthouseVersion}, accessibility: ${points} of 100, ${LEAST} wanted`);
process.exitCode = points < LEAST ? 1 : 0;
