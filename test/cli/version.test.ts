import { expect, it } from 'vitest';
import { isNewEnough, neededNode } from '../../src/cli/version.js';

it('knows which Node is new enough', () => {
  expect(neededNode).toMatch(/^\d+\.\d+\.\d+$/);
  expect(isNewEnough(process.versions.node)).toBe(true);
  expect(['18.20.4', '20.18.9', '6.0.0'].filter(isNewEnough)).toEqual([]);
  const newer = ['20.19.0', '20.20.2', '22.0.0', '100.0.0-nightly20261127'];
  expect(newer.filter(isNewEnough)).toEqual(newer);
});
