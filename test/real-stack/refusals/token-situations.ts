import type { Gateway } from '../../support/real-stack/gateways.js';
import { praisesToken } from './outcomes.js';
import type { CommandName, Situation } from './situation.js';

const commands: readonly CommandName[] = ['tail', 'doctor --json'];
const withLogin: readonly CommandName[] = [...commands, 'auth login --with-token'];

/** Gateways that pass on the streams and nothing else; what they answer in place of the API says nothing of a token. */
const streamsOnly: readonly Gateway[] = [
  'page for the rest',
  '200 for the rest',
  '204 for the rest',
  'JSON that is no user for the rest',
  'JSON list for the rest',
  'user in HTML for the rest',
  'redirects the rest',
  '404 for the rest',
];

const streamsOnlySituations = streamsOnly.flatMap((gateway): Situation[] => {
  const row = gateway === '404 for the rest' ? 6 : 2;
  const onlyStreams = `only streams reach the API (${gateway})`;
  return [
    { row, name: `${onlyStreams}, good token`, gateway, token: 'good', outcome: 'works', commands },
    {
      row,
      name: `${onlyStreams}, expired token`,
      gateway,
      token: 'expired',
      outcome: 'token expired',
      neverSays: [praisesToken, /no OPMAS API|wrong port/],
      commands: withLogin,
    },
    {
      row,
      name: `${onlyStreams}, forged token`,
      gateway,
      token: 'forged',
      outcome: 'unknown',
      neverSays: [praisesToken, /no OPMAS API|wrong port/],
      commands: withLogin,
    },
  ];
});

/** Refusals in which the token is at fault, or may be. */
export const tokenSituations: readonly Situation[] = [
  {
    name: 'a good token',
    gateway: 'plain',
    token: 'good',
    outcome: 'works',
    commands: ['tail', 'record', 'doctor', ...withLogin.slice(1)],
  },
  {
    name: 'a forged token',
    gateway: 'plain',
    token: 'forged',
    outcome: 'token refused',
    commands: withLogin,
  },
  {
    name: 'an expired token',
    gateway: 'plain',
    token: 'expired',
    outcome: 'token expired',
    commands: withLogin,
  },
  {
    name: 'a token that is not a JWT',
    gateway: 'plain',
    token: 'not a JWT',
    outcome: 'token refused',
    says: [/JWT/],
    commands: ['doctor --json'],
  },
  { name: 'no token', gateway: 'plain', token: 'none', outcome: ['no token', 'token refused'], commands },
  {
    row: 9,
    name: 'a server that accepts, then closes with 4001, forged token',
    api: 'accepts first',
    token: 'forged',
    outcome: 'token refused',
    neverSays: [/(?<!not )\bconnected\b/],
    commands,
  },
  {
    row: 9,
    name: 'a server that accepts, then closes with 4001, expired token',
    gateway: 'plain, accepts first',
    token: 'expired',
    outcome: 'token expired',
    neverSays: [/(?<!not )\bconnected\b/],
    commands,
  },
  {
    name: 'a server that accepts, and closes with 4001 after 0.3 s, forged token',
    api: 'accepts first and waits',
    token: 'forged',
    outcome: 'token refused',
    commands,
  },
  {
    name: 'only streams reach the API, which accepts first, forged token',
    gateway: 'page for the rest, accepts first',
    token: 'forged',
    outcome: 'token refused',
    neverSays: [praisesToken],
    commands,
  },
  {
    name: 'an API without the route me, good token',
    api: 'without me',
    token: 'good',
    outcome: 'works',
    commands,
  },
  {
    name: 'an API without the route me, forged token',
    api: 'without me',
    token: 'forged',
    outcome: 'unknown',
    commands,
  },
  {
    name: 'an API without the route me, expired token',
    api: 'without me',
    token: 'expired',
    outcome: 'token expired',
    commands: withLogin,
  },
  ...streamsOnlySituations,
];
