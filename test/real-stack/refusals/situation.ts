import type { Gateway } from '../../support/real-stack/gateways.js';
import type { ApiVersion, RealStack, TokenKind } from '../../support/real-stack.js';
import type { Outcome } from './outcomes.js';

export type CommandName =
  | 'tail'
  | 'record'
  | 'doctor'
  | 'doctor --json'
  | 'auth login'
  | 'auth login --with-token';

/** A server, a token, and what each command has to say about them. */
export interface Situation {
  /** What is so, in words. */
  name: string;
  /** Row of section 2 of the trials; absent for a neighbor of one. */
  row?: number;
  gateway?: Gateway;
  api?: ApiVersion;
  /** Appended to the base URL. */
  prefix?: string;
  token: TokenKind | 'none';
  /** Default `devices`. */
  endpoints?: readonly string[];
  /** `works` = exit 0. Several where the evidence allows them. */
  outcome: Outcome | 'works' | readonly Outcome[];
  /** In place of the outcome's own. */
  codes?: readonly number[];
  says?: readonly RegExp[];
  /** The words of the body. A login leaves them to doctor, because they may repeat the password. */
  quotes?: RegExp;
  neverSays?: readonly RegExp[];
  /** Whether the outcome has no name of its own: `says` alone is asked for. */
  isUnnamed?: boolean;
  commands: readonly CommandName[];
}

/** Base URL of a situation. */
export function urlOf({ gateway, api, prefix = '' }: Situation, stack: RealStack): string {
  return (gateway === undefined ? stack.api(api!) : stack.gateway(gateway)) + prefix;
}

const quick = '-n 1 --retries 2 --retry-delay 20ms --retry-max 50ms --connect-timeout 2s'.split(' ');

/** The words of a command. */
export function argumentsOf(command: CommandName, situation: Situation, url: string): string[] {
  const { endpoints = ['devices'], token } = situation;
  const noToken = token === 'none' ? ['--no-token'] : [];
  const server = ['-u', url];
  switch (command) {
    case 'tail':
      return ['tail', ...endpoints, '-f', 'json', ...quick, ...noToken, ...server];
    case 'record':
      return ['record', ...endpoints, '-o', 'refused.ndjson', ...quick, ...noToken, ...server];
    case 'doctor':
      return ['doctor', ...endpoints, ...noToken, ...server];
    case 'doctor --json':
      return ['doctor', '--json', ...endpoints, ...noToken, ...server];
    case 'auth login':
      return ['auth', 'login', '--username', 'admin', '--password-stdin', ...server];
    case 'auth login --with-token':
      return ['auth', 'login', '--with-token', ...server];
  }
}
