import { describe, expect, it } from 'vitest';
import { withServerChoice } from '../../../src/core/failure/next-command.js';

describe('the commands in a message', () => {
  const nats = {
    natsContext: 'my site',
    natsCreds: 'a.creds',
    subjectPrefix: 'site-7',
    id: 'event',
    ca: 'ca.pem',
  };
  const said = { url: 'wss://opmas.test', cert: 'opmas.pem', nats };

  it('that publish repeat the options about the stream, and none about the API', () => {
    expect(withServerChoice('or: opmas-ws publish x.ndjson --to nats://h/S', said)).toBe(
      'or: opmas-ws publish x.ndjson --to nats://h/S --ca ca.pem --nats-context "my site" --nats-creds a.creds --subject-prefix site-7 --id event',
    );
  });

  it('of NATS repeat the login and the CA', () => {
    expect(withServerChoice('Make it: nats stream add S --server h:4222\nor else', said)).toBe(
      'Make it: nats stream add S --server h:4222 --context "my site" --creds a.creds --tlsca ca.pem\nor else',
    );
  });

  it('that record repeat the choice of the API only', () => {
    const command = 'opmas-ws record --url wss://opmas.test --cert opmas.pem';
    expect(withServerChoice('opmas-ws record', said)).toBe(command);
  });
});
