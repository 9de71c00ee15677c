import { expect, it } from 'vitest';
import { isSupportedNode, oldestNode } from '../../src/cli/version.js';

it('supports Node from the oldest version in package.json on', () => {
  expect(oldestNode).toMatch(/^\d+\.\d+\.\d+$/);
  expect(isSupportedNode(process.versions.node)).toBe(true);
  expect(['18.20.4', '20.18.9', '6.0.0'].filter(isSupportedNode)).toEqual([]);
  const newer = ['20.19.0', '20.20.2', '22.0.0', '100.0.0-nightly20261127'];
  expect(newer.filter(isSupportedNode)).toEqual(newer);
});
