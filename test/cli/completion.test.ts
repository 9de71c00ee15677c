import { describe, expect, it } from 'vitest';
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
});
