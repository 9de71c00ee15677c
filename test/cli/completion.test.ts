import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { answerCompletion, completionScript } from '../../src/cli/completion.js';

async function offered(...words: string[]): Promise<string[]> {
  const lines = (await answerCompletion(words)).trimEnd().split('\n');
  return lines.map((line) => line.split('\t')[0]!);
}

describe('completion', () => {
  it('offers commands', async () => {
    expect(await offered('re')).toEqual(['record', 'replay', ':4']);
  });

  it('offers endpoints and event types', async () => {
    expect(await offered('tail', 'd')).toEqual(['devices', ':4']);
    expect(await offered('tail', '--type', 'device.e')).toEqual(['device.error', ':4']);
  });

  it('offers options with what they do', async () => {
    expect(await answerCompletion(['tail', '--dead'])).toMatch(/^--dead-after\tno byte/);
  });

  it.each([
    ['replay', ''],
    ['inspect', 'cap'],
    ['record', '--out', ''],
    ['tail', '--token-file', 'x'],
  ])('leaves files to the shell: %s %s', async (...words) => {
    expect(await offered(...words)).toEqual([':0']);
  });

  it.each(['bash', 'zsh', 'fish', 'powershell'])('prints a script for %s', async (shell) => {
    expect(await completionScript(shell)).toContain('opmas-ws');
  });

  it('offers contexts, and nothing when the configuration is broken', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'opmas-ws-config-'));
    vi.stubEnv('XDG_CONFIG_HOME', folder);
    mkdirSync(join(folder, 'opmas-ws'));
    const path = join(folder, 'opmas-ws/config.json');
    writeFileSync(path, '{"contexts":{"lab":{"url":"localhost:1"},"prod":{"url":"localhost:2"}}}');
    expect(await offered('context', 'use', '')).toEqual(['lab', 'prod', ':4']);
    expect(await offered('tail', '--context', 'p')).toEqual(['prod', ':4']);
    writeFileSync(path, '{');
    expect(await offered('context', 'show', '')).toEqual([':4']);
    vi.unstubAllEnvs();
    rmSync(folder, { recursive: true });
  });
});
