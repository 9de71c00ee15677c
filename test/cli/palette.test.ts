import { describe, expect, it } from 'vitest';
import { noColors, paletteFor, wantsColor } from '../../src/cli/terminal/palette.js';

describe('wantsColor', () => {
  it.each<[boolean, 'auto' | 'always' | 'never', NodeJS.ProcessEnv, boolean]>([
    [true, 'auto', {}, true],
    [false, 'auto', {}, false],
    [false, 'always', { NO_COLOR: '1' }, true],
    [true, 'never', { FORCE_COLOR: '3' }, false],
    [true, 'auto', { NO_COLOR: '1' }, false],
    [true, 'auto', { NO_COLOR: '' }, true],
    [true, 'auto', { NO_COLOR: '0' }, false],
    [false, 'auto', { FORCE_COLOR: '1' }, true],
    [false, 'auto', { FORCE_COLOR: 'true' }, true],
    [true, 'auto', { FORCE_COLOR: '0' }, false],
    [true, 'auto', { FORCE_COLOR: 'false' }, false],
    [true, 'auto', { FORCE_COLOR: '' }, true],
    [true, 'auto', { NO_COLOR: '1', FORCE_COLOR: '1' }, false],
    [true, 'auto', { TERM: 'dumb' }, false],
    [true, 'auto', { TERM: 'dumb', FORCE_COLOR: '1' }, true],
    [true, 'auto', { TERM: 'xterm' }, true],
  ])('terminal %j, --color %s, %j: %j', (isTerminal, when, environment, verdict) => {
    expect(wantsColor(isTerminal, when, environment)).toBe(verdict);
  });
});

describe('paletteFor', () => {
  it('gives no escape codes where there are no colors', async () => {
    const palette = await paletteFor({ isTTY: false }, 'auto', {});
    expect(palette).toBe(noColors);
    expect(palette.red(palette.bold(palette.dim('x')))).toBe('x');
  });

  it('colors where it is asked to, whatever the environment of this process says', async () => {
    const palette = await paletteFor({}, 'always', { NO_COLOR: '1', TERM: 'dumb' });
    expect(palette.enabled).toBe(true);
    expect(palette.red('x')).toBe('\u001b[31mx\u001b[39m');
    expect(palette.dim('x')).toBe('\u001b[2mx\u001b[22m');
  });
});
