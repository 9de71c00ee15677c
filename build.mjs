/**
 * Builds `dist/`: the JSON scanner becomes WebAssembly, and the source becomes a few files that load quickly. The
 * types come from `tsc`, which `npm run build` runs behind this.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import asc from 'assemblyscript/asc';
import { build } from 'rolldown';

const SCANNER = ['src/core/json/wasm/json-scan.ts', 'src/core/json/wasm/text-table.ts'];
const SCANNER_MODULE = 'src/core/json/wasm/module.ts';
const SCANNER_OPTIONS = ['-O3', '--noAssert', '--runtime', 'stub', '--importMemory', '--enable', 'simd'];

/**
 * Node takes about a third of a millisecond for each module that it loads, so modules that are needed together become
 * one file: a module goes into the first group that matches, with its dependencies. `index.ts` and `internal.ts`
 * therefore come after the groups of their parts. The `import()`s in the source make further files.
 */
const GROUPS = {
  errors: /\/src\/core\/(errors|printable)\.ts$|@oxc-project/,
  /** Needed by every program that connects to a stream. */
  library:
    /\/src\/(core\/[^/]+|core\/(json|json\/wasm|recording)\/[^/]+|core\/filter\/(?!expression)[^/]+|io\/(client|client\/connection|http|token)\/[^/]+|io\/(clock|file-lock|websocket))\.ts$/,
  /** Not needed by `tail`. */
  recording: /\/src\/(io\/recording|core\/statistics)\//,
  serving: /\/src\/(io\/(server|replay)|core\/(mock|replay))\//,
  diagnosis: /\/src\/(io|core)\/diagnosis\//,
  index: /\/src\/(index|internal)\.ts$/,
  /** Needed by every command; `--version` and `--help` need nothing else. */
  start: /\/src\/cli\/(main|command-table|commander|exit|version|options\/global-options)\.ts$/,
  /** Needed by every command that has an action. */
  tail: /\/src\/cli\/(session|stop-requests|(commands\/tail|connection|options|stream|terminal)\/(?!keychain-child|tail-file|reading-messages)[^/]+)\.ts$/,
};

process.chdir(import.meta.dirname);
await compileScanner();
await bundle();

/** Puts the WebAssembly into the text of a module, so that nobody has to read a file for it. */
async function compileScanner() {
  /** @type {Uint8Array} */
  let binary = new Uint8Array();
  const { error, stderr } = await asc.main([...SCANNER, ...SCANNER_OPTIONS, '--outFile', 'scan.wasm'], {
    writeFile: (_name, contents) => {
      if (typeof contents !== 'string') binary = contents;
    },
  });
  if (error) throw new Error(stderr.toString(), { cause: error });
  const text = `/** Made by \`build.mjs\` of the files beside this one: WebAssembly in base64. */
export const WASM_MODULE: string =
  '${Buffer.from(binary).toString('base64')}';
`;
  // An unchanged file is left alone, for those who watch it.
  if (textOf(SCANNER_MODULE) !== text) writeFileSync(SCANNER_MODULE, text);
}

/** @param {string} path */
function textOf(path) {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

async function bundle() {
  const groups = Object.entries(GROUPS).map(([name, test], i) => ({ name, test, priority: 10 - i }));
  await build({
    input: {
      index: 'src/index.ts',
      'cli/main': 'src/cli/main.ts',
      // Run as a program of its own, by `cli/connection/keychain.ts`, from beside the file that has it.
      'chunks/keychain-child': 'src/cli/connection/keychain-child.ts',
    },
    platform: 'node',
    logLevel: 'silent',
    // Libraries stay what they are: dependencies.
    external: (id) => /^[a-z@]/.test(id) && !id.startsWith('@oxc-project/'),
    // Loading a module has no side effects, so an import from `index.ts` loads only the module behind it.
    treeshake: { moduleSideEffects: false },
    transform: { target: 'node20.19' },
    output: {
      dir: 'dist',
      cleanDir: true,
      format: 'esm',
      entryFileNames: '[name].js',
      chunkFileNames: 'chunks/[name].js',
      codeSplitting: { groups },
    },
  });
}
