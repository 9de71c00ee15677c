/** Bundles `src/` into a few files in `dist/` that load quickly. `npm run build` then adds the types with `tsc`. */
import { readFileSync, rmSync } from 'node:fs';
import { build } from 'rolldown';

/**
 * Node takes about a third of a millisecond for each module that it loads, so modules that are needed together become
 * one file: a module goes into the first group that matches, with its dependencies. `index.ts` and `internal.ts`
 * therefore come after the groups of their parts. The `import()`s in the source make further files.
 */
const GROUPS = {
  /** Needed by every error message. */
  errors: /\/src\/core\/(errors|text|address|protocol|version|failure\/next-command)\.ts$|@oxc-project/,
  /** Needed by every program that connects to a stream. */
  library:
    /\/src\/(core\/[^/]+|core\/(json|recording)\/[^/]+|core\/filter\/(?!expression)[^/]+|io\/(client|client\/connection|http|token)\/[^/]+|io\/(clock|file-lock|websocket))\.ts$/,
  /** Not needed by `tail`. */
  recording: /\/src\/(io\/recording|core\/statistics)\//,
  serving: /\/src\/(io\/(server|replay)|core\/(mock|replay))\//,
  diagnosis: /\/src\/(io|core)\/diagnosis\//,
  /** Needed for nats:// only. */
  jetstream: /\/src\/(core|io)\/jetstream\//,
  index: /\/src\/(index|internal)\.ts$/,
  /** Needed by every command; `--version` and `--help` need nothing else. */
  start: /\/src\/cli\/(main|command-table|commander|exit|habits)\.ts$/,
  /** Needed by every command that has an action. */
  tail: /\/src\/cli\/(session|stop-requests|(commands\/tail|connection|options|stream|terminal)\/(?!keychain-child|nats-access|file-stream|reading-messages)[^/]+)\.ts$/,
};

process.chdir(import.meta.dirname);
rmSync('dist', { recursive: true, force: true });
// The child is run as a program of its own, by `cli/connection/keychain.ts`, from beside the file that has it.
await bundle(
  { index: 'src/index.ts', 'chunks/keychain-child': 'src/cli/connection/keychain-child.ts' },
  'esm',
);
await bundle({ 'cli/main': 'src/cli/main.ts' }, 'cjs');
await bundlePageScript();

/**
 * Bundles one form of the program. The command line becomes CommonJS modules, because Node loads those, and its own modules
 * for them, 7 ms sooner than ES modules.
 *
 * @param {Record<string, string>} input Files of `src/` by their names in `dist/`.
 * @param {'esm' | 'cjs'} format
 */
async function bundle(input, format) {
  const extension = format === 'esm' ? 'js' : 'cjs';
  const groups = Object.entries(GROUPS).map(([name, test], i) => ({ name, test, priority: 10 - i }));
  await build({
    input,
    platform: 'node',
    logLevel: 'silent',
    // Libraries stay what they are: dependencies.
    external: (id) => /^[a-z@]/.test(id) && !id.startsWith('@oxc-project/'),
    // Loading a module has no side effects, so an import from `index.ts` loads only the module behind it.
    treeshake: { moduleSideEffects: false },
    transform: { target: 'node20.19' },
    output: {
      dir: 'dist',
      format,
      entryFileNames: `[name].${extension}`,
      chunkFileNames: `chunks/[name].${extension}`,
      strict: true,
      comments: { jsdoc: false },
      codeSplitting: { groups },
    },
  });
}

/** Bundles the script of the page of `inspect --html`, with its library, as the text that the page will contain. */
async function bundlePageScript() {
  // The license of the library goes wherever its code goes.
  const license = readFileSync('node_modules/uplot/LICENSE', 'utf8').trim();
  await build({
    input: 'src/page/chart.ts',
    platform: 'browser',
    logLevel: 'silent',
    moduleTypes: { '.css': 'text' },
    transform: { target: 'es2022' },
    output: {
      file: 'dist/chunks/page-script.js',
      format: 'iife',
      minify: true,
      comments: false,
      postBanner: `/*! This file contains uPlot (https://github.com/leeoniya/uPlot).\n\n${license}\n*/`,
    },
  });
}
