// @ts-nocheck
/**
 * Runs the built library in another realm, as test runners do for jsdom: its `Uint8Array`, `Error`, `Promise` and so on
 * are not those of Node.js, but `Buffer`, the timers and the modules of Node.js are. Needs `--experimental-vm-modules`.
 * The arguments: the library, and a program that imports `opmas-ws`.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { createContext, SourceTextModule, SyntheticModule } from 'node:vm';

const [library, program] = process.argv.slice(2);
const { Buffer, URL, URLSearchParams, AbortController, AbortSignal, performance, console } = globalThis;
const { setTimeout, clearTimeout, setInterval, clearInterval, setImmediate, clearImmediate } = globalThis;
const context = createContext({
  ...{ process, Buffer, URL, URLSearchParams, AbortController, AbortSignal, performance, console },
  ...{ setTimeout, clearTimeout, setInterval, clearInterval, setImmediate, clearImmediate },
});
const modules = new Map();

async function load(specifier, { identifier }) {
  const url =
    specifier === 'opmas-ws'
      ? pathToFileURL(library).href
      : specifier.startsWith('.')
        ? new URL(specifier, identifier).href
        : specifier;
  const known = modules.get(url);
  if (known !== undefined) return known;
  const module = url.startsWith('file:')
    ? sourceModule(url, readFileSync(fileURLToPath(url), 'utf8'))
    : await nodeModule(url);
  modules.set(url, module);
  return module;
}

function sourceModule(identifier, source) {
  return new SourceTextModule(source, {
    context,
    identifier,
    initializeImportMeta: (meta) => {
      meta.url = identifier;
    },
    importModuleDynamically: async (specifier, referrer) => {
      const module = await load(specifier, referrer);
      if (module.status === 'unlinked') await module.link(load);
      await module.evaluate();
      return module;
    },
  });
}

/** A module of Node.js, or a library, which test runners would load in the other realm, too. */
async function nodeModule(specifier) {
  const exports = await import(specifier);
  const set = function () {
    for (const [name, value] of Object.entries(exports)) this.setExport(name, value);
  };
  return new SyntheticModule(Object.keys(exports), set, { context });
}

const main = sourceModule(pathToFileURL(library).href, program);
await main.link(load);
await main.evaluate();
