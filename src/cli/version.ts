import { readFileSync } from 'node:fs';

const manifest = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  version: string;
  engines: { node: string };
};

/** Version of this package. */
export const version: string = manifest.version;

/** Oldest supported version of Node: `20.19.0`. */
export const oldestNode: string = manifest.engines.node.replace(/^>=/, '');

/** Returns true for a version of Node that is supported. */
export function isSupportedNode(node: string): boolean {
  const [major = 0, minor = 0] = node.split('.').map(Number);
  const [oldestMajor = 0, oldestMinor = 0] = oldestNode.split('.').map(Number);
  return major > oldestMajor || (major === oldestMajor && minor >= oldestMinor);
}
