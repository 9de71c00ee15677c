/** The options about the way to the server as the user typed them. */
export interface SaidRoute {
  /** `Name: value`, or `Name: @FILE`. A next command never repeats a value that is a secret. */
  header?: readonly string[] | undefined;
  tokenIn?: 'query' | 'header' | undefined;
  /** URL of the proxy, or `none`. May hold a password. */
  proxy?: string | undefined;
  ipv4?: boolean | undefined;
  ipv6?: boolean | undefined;
  plaintext?: boolean | undefined;
  /** Paths of PEM files. */
  ca?: string | undefined;
  cert?: string | undefined;
  key?: string | undefined;
  keyPassphraseFile?: string | undefined;
  insecure?: boolean | undefined;
}

/** The options about a server of NATS and its streams as the user typed them. */
export interface SaidNats extends Omit<SaidRoute, 'header'> {
  natsContext?: string | undefined;
  natsCreds?: string | undefined;
  subjectPrefix?: string | undefined;
  /** Unless it is the default. */
  id?: string | undefined;
  createStream?: boolean | undefined;
}

/** The options about server and token as the user typed them. The next command repeats them. */
export interface SaidOptions extends SaidRoute {
  nats?: SaidNats | undefined;
  url?: string | undefined;
  context?: string | undefined;
  endpoints?: readonly string[] | undefined;
  tokenFile?: string | undefined;
  noToken?: boolean | undefined;
}

/** A command of ours to type next, or one of the shell. */
export type NextCommand =
  | {
      name: 'doctor' | 'tail' | 'auth login';
      /** Assignments to environment variables, to put before the command. */
      environment?: string;
      /** Options of its own, in place of those that the user typed. */
      change?: SaidOptions;
      /** Flags of its own. */
      flags?: readonly string[];
    }
  | { shell: readonly string[] };

/** The next step, where more is known than the table of failures says. */
export interface Advice {
  /** A sentence, or the end of one. */
  readonly hint?: string | undefined;
  /** The same as a command. */
  readonly next?: NextCommand | undefined;
}

/** A source of a token. Its advice is for a token that is rejected: `put a fresh token in OPMAS_TOKEN`. */
export interface TokenSource extends Advice {
  /** The name of the source, for people: `--token-file t`, `OPMAS_TOKEN`, `keychain`. Never the token. */
  readonly source: string;
  /** The reason why the last renewal gave nothing, for people. */
  readonly problem?: string | undefined;
}

/** The rule for the retry loop (`../retry.ts`) after a failure. */
export type Consequence =
  | 'retry'
  /** Renew the token once, then try again; a second refusal in a row ends the endpoint. */
  | 'renew'
  /** Another attempt rarely helps. The second such end in a row ends an endpoint that never worked. */
  | 'likelyFatal'
  | 'fatal'
  /** The server closed the connection in good order: reconnect, unless the caller said to end then. */
  | 'normal';

/** The consequences of a kind of failure. */
export interface FailureRule {
  /** The kind of error that it ends with, and so the exit code. */
  code: 'USAGE' | 'AUTH' | 'NETWORK';
  consequence: Consequence;
  /** The reason, as a clause. `{host}`, `{port}`, `{base}` and `{http}` stand for the server's, `{proxy}` for the proxy and its source. */
  message: string;
  /** The command to type next. Its URL may also have `{scheme}` and `{prefix}`. */
  next: NextCommand;
}
