import { describe, expect, it } from 'vitest';
import {
  compileFilter,
  diagnose,
  noToken,
  parseBaseUrl,
  type SubscribeOptions,
  subscribe,
} from '../../../src/index.js';
import { tokenFromText } from '../../../src/io/token/token.js';

const right: SubscribeOptions = {
  url: parseBaseUrl('ws://localhost:1'),
  endpoints: ['devices', '/api/v1/ws/device/42'],
  token: noToken(),
};

describe('options of a program without types', () => {
  it.each<[string, object]>([
    ['url', { url: 'ws://localhost:1' }],
    ['endpoints', { endpoints: [] }],
    ['endpoints', { endpoints: 'devices' }],
    ['endpoints', { endpoints: ['device'] }],
    ['endpoints', { endpoints: ['device/42/x'] }],
    ['endpoints', { endpoints: ['/a/../b'] }],
    ['token', { token: undefined }],
    ['token', { token: noToken }],
    ['token', { token: 'eyJ' }],
    ['filter', { filter: compileFilter() }],
    ['count', { count: 0 }],
    ['count', { count: -1 }],
    ['count', { count: Number.NaN }],
    ['count', { count: 1.5 }],
    ['durationMs', { durationMs: -1 }],
    ['durationMs', { durationMs: null }],
    ['durationMs', { durationMs: '5' }],
    ['filter', { filter: null }],
    ['endpoints', { endpoints: [10n] }],
    ['heartbeatMs', { heartbeatMs: 0 }],
    ['ca', { ca: Buffer.from('-----BEGIN CERTIFICATE-----') }],
    ['keyPassphrase', { keyPassphrase: 5 }],
    ['maxMessageBytes', { maxMessageBytes: Number.NaN }],
    ['maxMessageBytes', { maxMessageBytes: -1 }],
    ['retryDelayMs', { retry: { retryDelayMs: 0 } }],
  ])('%s: %o is refused at once', (name, wrong) => {
    expect(() => subscribe({ ...right, ...wrong })).toThrow(
      expect.objectContaining({ code: 'USAGE', message: expect.stringContaining(`${name} must be`) }),
    );
  });

  it('a diagnosis takes the same endpoints', async () => {
    const diagnosis = diagnose({ url: right.url, token: right.token, endpoints: ['Device/42'] });
    await expect(diagnosis.next()).rejects.toThrow('endpoints must be an array of devices');
  });

  it('that are right are taken', () => {
    expect(() => subscribe({ ...right, count: Number.POSITIVE_INFINITY, heartbeatMs: false })).not.toThrow();
  });

  it.each([{ type: ['device.*'] }, { types: 'device.*' }, { where: 5 }])(
    'no filter is made of %o',
    async (options) => {
      await expect(compileFilter(options as object)).rejects.toMatchObject({ code: 'USAGE' });
    },
  );

  it('a token that is not set is told by the name of its place', () => {
    const { NO_SUCH_VARIABLE } = process.env as { NO_SUCH_VARIABLE: string };
    expect(() => tokenFromText(NO_SUCH_VARIABLE, 'NO_SUCH_VARIABLE')).toThrow(
      'NO_SUCH_VARIABLE holds no token: it is not set',
    );
  });
});
