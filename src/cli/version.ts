import { readFileSync } from 'node:fs';

const manifest = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  version: string;
  engines: { node: string };
};

/** The version of this package. */
export const version: string = manifest.version;

/** The oldest Node that it runs on: `20.19.0`. */
export const neededNode: string = manifest.engines.node.replace(/^>=/, '');

/** Whether a version of Node is at least {@link neededNode}. */
export function isNewEnough(node: string): boolean {
  const [major = 0, minor = 0] = node.split('.').map(Number);
  const [neededMajor = 0, neededMinor = 0] = neededNode.split('.').map(Number);
  return major > neededMajor || (major === neededMajor && minor >= neededMinor);
}
