// What a visitor downloads, measured and limited: the build fails where web/dist grows past this.
import { readFileSync, readdirSync } from 'node:fs';
import { brotliCompressSync, gzipSync } from 'node:zlib';

const MODULE_LIMIT = 1_200_000; // bytes after gzip
const PAGE_LIMIT = 150_000; // bytes as they are

const sum = { module: [0, 0, 0], page: [0, 0, 0] };
for (const entry of readdirSync('dist', { recursive: true, withFileTypes: true })) {
  const folder = entry.parentPath ?? entry.path;
  if (!entry.isFile() || folder.endsWith('example')) continue; // another page, for who builds one
  const bytes = readFileSync(`${folder}/${entry.name}`);
  const sizes = [bytes, gzipSync(bytes, { level: 9 }), brotliCompressSync(bytes)].map((b) => b.length);
  const part = entry.name.endsWith('.wasm') ? sum.module : sum.page;
  sizes.forEach((size, i) => (part[i] += size));
}

const kilo = (bytes) => `${(bytes / 1000).toFixed(1)} kB`;
for (const [part, [raw, gzip, brotli]] of Object.entries(sum)) {
  console.log(`${part.padEnd(6)}  ${kilo(raw)}, gzip ${kilo(gzip)}, brotli ${kilo(brotli)}`);
}
const complaints = [];
if (sum.module[1] > MODULE_LIMIT) {
  complaints.push(`the wasm module has ${kilo(sum.module[1])} after gzip, more than the ${kilo(MODULE_LIMIT)} that a visitor is asked to wait for`);
}
if (sum.page[0] > PAGE_LIMIT) {
  complaints.push(`the page's own code has ${kilo(sum.page[0])}, more than ${kilo(PAGE_LIMIT)}: what does it carry that it does not need?`);
}
complaints.forEach((complaint) => console.error(`sizes: ${complaint}`));
process.exit(complaints.length ? 1 : 0);
