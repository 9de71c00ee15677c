import { describe, expect, it } from 'vitest';
import { readClaims } from '../../src/core/claims.js';

const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
const tokenWith = (payload: string) =>
  `${encode({ alg: 'HS256' })}.${Buffer.from(payload).toString('base64url')}.c2ln`;
const nothing = { subject: undefined, expiresAtMs: undefined, notBeforeMs: undefined, issuedAtMs: undefined };

describe('readClaims', () => {
  it('reads user and expiry', () => {
    const token = tokenWith('{"sub":"admin","exp":1700000000,"nbf":1699999500,"iat":1699999000}');
    expect(readClaims(token)).toEqual({
      subject: 'admin',
      expiresAtMs: 1_700_000_000_000,
      notBeforeMs: 1_699_999_500_000,
      issuedAtMs: 1_699_999_000_000,
    });
  });

  it.each([
    ['opaque', 'secret'],
    ['empty', ''],
    ['two dots only', '..'],
    ['bad base64url', '!!!.???.***'],
    ['payload null', tokenWith('null')],
    ['payload array', tokenWith('[]')],
    ['payload text', tokenWith('"x"')],
    ['payload cut', tokenWith('{"exp":1')],
    ['payload nested deeply', tokenWith('['.repeat(100_000))],
  ])('takes no offence at a token that is %s', (_name, token) => {
    expect(readClaims(token)).toEqual(nothing);
  });

  it.each([
    ['of two parts', `${encode({})}.${encode({ exp: 10 })}`],
    ['of five parts', `${encode({})}.${encode({ exp: 10 })}.a.b.c`],
  ])('reads a token %s', (_name, token) => {
    expect(readClaims(token).expiresAtMs).toBe(10_000);
  });

  it.each([
    ['missing', '{}', undefined],
    ['text', '{"exp":"1700000000"}', undefined],
    ['null', '{"exp":null}', undefined],
    ['a float', '{"exp":1700000000.5}', 1_700_000_000_500],
    ['negative', '{"exp":-5}', -5000],
    ['past every number', '{"exp":1e400}', undefined],
    ['past every date', '{"exp":1e300}', undefined],
    ['in the year 9999', '{"exp":253402300799}', 253_402_300_799_000],
    ['in milliseconds', '{"exp":1700000000000}', 1_700_000_000_000],
  ])('survives an exp that is %s', (_name, payload, expected) => {
    expect(readClaims(tokenWith(payload)).expiresAtMs).toBe(expected);
  });
});
