/** Compiles `json-scan.ts` into a module that carries the WebAssembly in its text: `json-scan.wasm.ts`. */
import { readFileSync, writeFileSync } from 'node:fs';
import asc from 'assemblyscript/asc';

const source = 'json-scan.ts';
const { binary, error } = await compile(source);
if (error) throw error;
const target = new URL('json-scan.wasm.ts', import.meta.url);
const text = `/** Made of \`${source}\` by \`build.mjs\`: WebAssembly in base64. */
export const JSON_SCAN =
  '${Buffer.from(binary).toString('base64')}';
`;
// An unchanged file is left alone, for those who watch it.
if (textOf(target) !== text) writeFileSync(target, text);

/** @param {string} name */
async function compile(name) {
  /** @type {Uint8Array} */
  let binary = new Uint8Array();
  const options = ['-O3', '--noAssert', '--runtime', 'stub', '--importMemory', '--enable', 'simd'];
  const { error, stderr } = await asc.main([name, ...options, '--outFile', 'out.wasm'], {
    readFile: (path) => textOf(new URL(path, import.meta.url)) ?? null,
    writeFile: (_path, contents) => {
      if (typeof contents !== 'string') binary = contents;
    },
    listFiles: () => [],
  });
  return { binary, error: error && new Error(stderr.toString(), { cause: error }) };
}

/** @param {URL} url */
function textOf(url) {
  try {
    return readFileSync(url, 'utf8');
  } catch {
    return undefined;
  }
}
