import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { tokenFromCommand } from '../../../src/index.js';
import { isAlive } from '../../support/alive.js';
import { eventually } from '../../support/time-limits.js';

const folder = mkdtempSync(join(tmpdir(), 'opmas-ws-command-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const source = 'the token command';
const node = (script: string) => [process.execPath, '-e', script];
const secret = 'eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0.c2VzYW1l';

/** A command that prints how often it has run. */
function counter(name: string): { words: string[]; runs: () => number } {
  const path = join(folder, name);
  writeFileSync(path, '');
  const script = `fs.appendFileSync(${JSON.stringify(path)}, 'x'); console.log('token-' + fs.statSync(${JSON.stringify(path)}).size)`;
  return { words: node(script), runs: () => readFileSync(path).length };
}

describe('tokenFromCommand', () => {
  it('runs the command for every attempt, and once for attempts that begin together', async () => {
    const { words, runs } = counter('attempts');
    const provider = tokenFromCommand(words, { source });
    expect(await Promise.all([provider.token(), provider.token()])).toEqual(['token-1', 'token-1']);
    expect(await provider.token()).toBe('token-2');
    expect(runs()).toBe(2);
  });

  it('runs it again after a refusal and hands that token to the next attempt', async () => {
    const { words, runs } = counter('renewal');
    const provider = tokenFromCommand(words, { source });
    await provider.token();
    expect(await provider.renew?.('token-1')).toBe(true);
    expect(await provider.token()).toBe('token-2');
    expect(runs()).toBe(2);
  });

  it('knows that the same token again is no renewal', async () => {
    const provider = tokenFromCommand(['echo', 'same'], { source });
    await provider.token();
    expect(await provider.renew?.()).toBe(false);
  });

  it('starts no shell', async () => {
    const provider = tokenFromCommand(['echo', '$HOME;`id`|cat'], { source });
    expect(await provider.token()).toBe('$HOME;`id`|cat');
  });

  it.each([
    ['fails', node(`console.log('${secret}'); process.exit(3)`), 'AUTH', /exit code 3/],
    [
      'is killed',
      node(`process.kill(process.pid, 'SIGTERM'); setTimeout(() => {}, 9999)`),
      'AUTH',
      /SIGTERM/,
    ],
    ['prints nothing', ['true'], 'AUTH', /empty/],
    ['prints two lines', node(`console.log('${secret}\\n${secret}')`), 'AUTH', /blanks or line breaks/],
    ['prints 1 MB', node(`process.stdout.write('${secret}'.repeat(25000))`), 'AUTH', /too much/],
    ['does not exist', ['/no/such/command'], 'AUTH', /no program \/no\/such\/command/],
    ['stands below a file', [`${process.execPath}/token`], 'AUTH', /cannot be started: .*ENOTDIR/],
    ['prints forever', ['yes', secret], 'AUTH', /too much to be a token/],
    ['is a folder', [folder], 'AUTH', /cannot be started/],
  ])('says so when the command %s, and never what it printed', async (_name, words, code, pattern) => {
    const error = await tokenFromCommand(words, { source, shownBy: 'opmas-ws context show lab' })
      .token()
      .catch((caught: unknown) => caught);
    expect(error).toMatchObject({
      code,
      message: expect.stringMatching(pattern),
      hint: expect.stringContaining('context show lab'),
    });
    expect(String(error)).not.toContain(secret);
  });

  it('takes the token of a command that ends and leaves a child with its output, and ends the child', async () => {
    const pidFile = join(folder, 'left-behind');
    const words = ['sh', '-c', `sleep 60 & echo $! > ${pidFile}; echo token`];
    const startedAt = performance.now();
    expect(await tokenFromCommand(words, { source }).token()).toBe('token');
    // Its time is up after 10 s.
    expect(performance.now() - startedAt).toBeLessThan(9000);
    await eventually(() => expect(isAlive(Number(readFileSync(pidFile)))).toBe(false));
  });

  it('ends the command with its children when its caller stops', async () => {
    const pidFile = join(folder, 'stopped');
    const stop = new AbortController();
    const words = ['sh', '-c', `sleep 60 & echo $! > ${pidFile}; wait`];
    const token = tokenFromCommand(words, { source }).token(stop.signal);
    await eventually(() => expect(Number(readFileSync(pidFile))).toBeGreaterThan(0));
    stop.abort();
    await expect(token).rejects.toMatchObject({ code: 'AUTH' });
    await eventually(() => expect(isAlive(Number(readFileSync(pidFile)))).toBe(false));
  });

  it('kills a command that does not end, and what it left behind', async () => {
    const pidFile = join(folder, 'too-long');
    const words = ['sh', '-c', `sleep 60 & echo $! > ${pidFile}; echo token; wait`];
    await expect(tokenFromCommand(words, { source, timeoutMs: 300 }).token()).rejects.toMatchObject({
      code: 'AUTH',
      message: expect.stringMatching(/did not end/),
      hint: expect.stringContaining('`timeoutMs`'),
    });
    await eventually(() => expect(isAlive(Number(readFileSync(pidFile)))).toBe(false));
  });

  it('passes its stderr on line by line, without what looks like a token', async () => {
    const lines: string[] = [];
    const script = `console.error('touch the key\\ngot ${secret}'); process.stderr.write('rest'); console.log('${secret}')`;
    const provider = tokenFromCommand(node(script), { source, onStderr: (line) => lines.push(line) });
    expect(await provider.token()).toBe(secret);
    expect(lines).toEqual(['touch the key', 'got [token]', 'rest']);
  });
});
