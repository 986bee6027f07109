// What a visitor downloads, measured and limited: the build fails where web/dist grows past this.
import { readFileSync, readdirSync } from 'node:fs';
import { brotliCompressSync, gzipSync } from 'node:zlib';

const MODULE_LIMIT = 1_200_000; // bytes after gzip
const OWN_LIMIT = 150_000; // bytes as they are: what is written here, all views together
const TEXT_LIMIT = 150_000; // bytes after gzip: everything but the module

const sum = { module: [0, 0, 0], own: [0, 0, 0], others: [0, 0, 0] };
for (const entry of readdirSync('dist', { recursive: true, withFileTypes: true })) {
  const folder = entry.parentPath ?? entry.path;
  if (!entry.isFile() || folder.endsWith('example')) continue; // another page, for who builds one
  const bytes = readFileSync(`${folder}/${entry.name}`);
  const sizes = [bytes, gzipSync(bytes, { level: 9 }), brotliCompressSync(bytes)].map((b) => b.length);
  // vite.config.ts names files of libraries and of wasm-bindgen's glue so.
  const part = entry.name.endsWith('.wasm') ? sum.module : entry.name.startsWith('lib') ? sum.others : sum.own;
  sizes.forEach((size, i) => (part[i] += size));
}

const kilo = (bytes) => `${(bytes / 1000).toFixed(1)} kB`;
const line = (name, [raw, gzip, brotli]) => console.log(`${name.padEnd(32)}  ${kilo(raw)}, gzip ${kilo(gzip)}, brotli ${kilo(brotli)}`);
const text = sum.own.map((size, i) => size + sum.others[i]);
line('module', sum.module);
line("the page's own code", sum.own);
line("libraries and wasm-bindgen's glue", sum.others);

const complaints = [];
if (sum.module[1] > MODULE_LIMIT) {
  complaints.push(`the wasm module has ${kilo(sum.module[1])} after gzip, more than the ${kilo(MODULE_LIMIT)} that a visitor is asked to wait for`);
}
if (sum.own[0] > OWN_LIMIT) {
  complaints.push(`the page's own code has ${kilo(sum.own[0])}, more than ${kilo(OWN_LIMIT)}: what does it carry that it does not need?`);
}
if (text[1] > TEXT_LIMIT) {
  complaints.push(`the page with its libraries has ${kilo(text[1])} after gzip, more than ${kilo(TEXT_LIMIT)}: what does it carry that it does not need?`);
}
complaints.forEach((complaint) => console.error(`sizes: ${complaint}`));
process.exit(complaints.length ? 1 : 0);
