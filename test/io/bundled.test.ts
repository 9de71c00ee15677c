import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { rolldown } from 'rolldown';
import { describe, expect, it } from 'vitest';

const program = `
import { linesOf, parseBaseUrl, startMockServer, subscribe, tokenFromText } from 'opmas-ws';
async function main() {
  const server = await startMockServer({ rate: 100 });
  const token = tokenFromText(server.token, 'the mock');
  const stream = subscribe({ url: parseBaseUrl(server.url), endpoints: ['devices'], token, count: 2 });
  for await (const batch of stream) for (const line of linesOf(batch)) console.log(line.kind);
  await server.close();
}
main();
`;

describe('a program with the library in one file', () => {
  it.each(['esm', 'cjs'] as const)('runs where nothing is installed, as %s', async (format) => {
    const folder = mkdtempSync(join(tmpdir(), 'opmas-ws-bundle-'));
    try {
      const input = join(folder, 'program.mjs');
      const output = join(folder, `bundle.${format === 'esm' ? 'mjs' : 'cjs'}`);
      writeFileSync(input, program);
      const alias = { 'opmas-ws': resolve('dist/index.js') };
      const bundle = await rolldown({ input, platform: 'node', resolve: { alias }, logLevel: 'silent' });
      await bundle.write({ file: output, format, codeSplitting: false });
      await bundle.close();
      const { stdout, stderr } = await new Promise<{ stdout: string; stderr: string }>((done) => {
        execFile(process.execPath, [output], { cwd: folder, timeout: 15_000 }, (_, stdout, stderr) =>
          done({ stdout, stderr }),
        );
      });
      expect(stderr).toBe('');
      expect(stdout).toBe('event\nevent\n');
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
