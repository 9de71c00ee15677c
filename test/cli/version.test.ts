import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { expect, it } from 'vitest';
import { bin, Sandbox } from './sandbox.js';

const text = readFileSync(bin, 'utf8').replace(/^#!.*/, '');
const requireFrom = createRequire(bin);

/** Runs the entry file as if by a version of Node. */
function startedBy(node: string) {
  const result = { started: false, stderr: '', exitCode: 0 };
  const process = {
    versions: { node },
    stderr: { write: (message: string) => (result.stderr += message) },
    set exitCode(code: number) {
      result.exitCode = code;
    },
  };
  const require = (name: string) => {
    if (name !== './start.js') return requireFrom(name);
    result.started = true;
  };
  new Function('require', 'process', text)(require, process);
  return result;
}

it.each(['4.9.1', '12.22.12', '18.20.4', '20.0.0', '20.18.9'])(
  'says in one line that Node %s is too old',
  (node) => {
    expect(startedBy(node)).toEqual({
      started: false,
      stderr: `opmas-ws: needs Node.js 20.19.0 or newer; this is ${node}\n`,
      exitCode: 5,
    });
  },
);

it.each([process.versions.node, '20.19.0', '20.20.2', '22.0.0', '100.0.0-nightly20261127'])(
  'starts on Node %s',
  (node) => {
    expect(startedBy(node)).toEqual({ started: true, stderr: '', exitCode: 0 });
  },
);

it('has an entry file that the oldest Node can read: a script, without newer syntax', () => {
  expect(requireFrom('./package.json')).toEqual({ type: 'commonjs' });
  expect(text).not.toMatch(/=>|\bimport\b|\basync\b|\?\.|\?\?|\.\.\.|\*\*|const [[{]|catch \{|\d_\d/);
});

// As Node 22.0 to 22.11.
const flag = '--no-experimental-require-module';
it.runIf(process.allowedNodeEnvironmentFlags.has(flag))(
  'starts on a Node that cannot require ES modules: expressions, scripts for shells, wide characters',
  async () => {
    using sandbox = new Sandbox();
    const environment = { NODE_OPTIONS: flag };
    const input = '{"type":"device.error","data":{"device_id":"設備","cpu":97}}\n';
    const where = ['tail', '--file', '-', '--where', 'data.cpu > 90', '--format', 'pretty'];
    expect((await sandbox.run(where, { environment, input })).stdout).toMatch(/ 設備 {13}device\.error/);
    expect((await sandbox.run(['complete', 'fish'], { environment })).stdout).toContain('opmas-ws');
  },
);
