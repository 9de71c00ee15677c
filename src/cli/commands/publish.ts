import { escapeUnsafe } from '../../index.js';
import { type PublishReport, publishRecording } from '../../internal.js';
import type { Command } from '../commander.js';
import { reportText, resolveNatsAccess } from '../connection/nats-access.js';
import { counted } from '../options/quantity.js';
import { addPublishOptions, type PublishCommandOptions } from '../options/selection.js';
import { addKeptOptions, type KeptRouteOptions, ROUTE_OPTIONS } from '../options/server-options.js';
import { runCommand, type Session } from '../session.js';
import { ProblemMessages, showProgress } from '../terminal/reading-messages.js';
import { standardInput } from '../terminal/standard-streams.js';

/** Options of `publish`. */
interface PublishFilesOptions extends PublishCommandOptions, KeptRouteOptions {
  to: string;
  follow?: boolean;
  insecure?: boolean;
}

/** Publishing smaller recordings takes no more than a moment. */
const LEAST_BYTES = 4 * 1024 * 1024;

const HELP = `
Each line of the recordings becomes a message, unchanged. Publishing twice changes nothing. Commands that read a
recording read the stream, too: opmas-ws tail --file nats://HOST/STREAM. The login is that of --nats-creds or
--nats-context, else of NATS_CREDS, NATS_NKEY, NATS_USER and NATS_PASSWORD, or NATS_TOKEN.

Examples:
  $ opmas-ws publish capture.ndjson --to nats://nats.example.org/EVENTS
  $ opmas-ws publish capture*.ndjson.gz --to nats://nats.example.org/EVENTS --create-stream
  $ opmas-ws publish night.ndjson --follow --to nats://nats.example.org/EVENTS   while it is recorded
  $ opmas-ws publish site-7.ndjson --to nats:///EVENTS --nats-context prod   the server of a context`;

/** Configures `publish`. */
export function configure(command: Command): void {
  command
    .argument('<file...>', 'recordings, also compressed (.gz), merged by time; - is stdin')
    .requiredOption('--to <address>', 'the stream: nats://HOST/STREAM, or tls://HOST/STREAM')
    .option('--follow', 'also publish what is written later, until Ctrl-C');
  const { ca, cert, key, keyPassphraseFile, plaintext } = ROUTE_OPTIONS;
  const plain = { ...plaintext, description: 'allow a password or a token without TLS' };
  addKeptOptions(addPublishOptions(command), { ca, cert, key, keyPassphraseFile, plaintext: plain })
    .option('--insecure', "do not verify the server's certificate")
    .addHelpText('after', HELP)
    .action((files: string[], options: PublishFilesOptions) =>
      runCommand(command, (session) => publish(session, files, options)),
    );
}

/** Publishes recordings to a stream. */
async function publish(
  session: Session,
  files: readonly string[],
  options: PublishFilesOptions,
): Promise<void> {
  const { messages } = session.terminal;
  const access = await resolveNatsAccess(session, options, options);
  const problems = new ProblemMessages(messages);
  const progress = await showProgress(messages, options.follow ? ['-'] : files, LEAST_BYTES);
  let report: PublishReport;
  try {
    report = await publishRecording(files, options.to, {
      access,
      prefix: options.subjectPrefix,
      ids: options.id,
      createStream: options.createStream,
      follow: options.follow,
      onNotice: messages.warn,
      onProblem: problems.onProblem,
      onRead: progress.advance,
      stdin: files.includes('-') ? standardInput() : undefined,
      signal: session.stop,
    });
  } finally {
    progress.end();
    problems.end();
  }
  const { published, alreadyThere, removed, tooLarge, rest, linesBefore } = report;
  const left = rest > 0 ? `${counted(rest, 'line')} left; ` : '';
  if (rest > 0 || (session.stop.aborted && !options.follow))
    messages.warn(`stopped early: ${left}publish again for the rest`);
  const isNothing = published + alreadyThere + removed + tooLarge + rest === 0 && linesBefore > 0;
  const nothing = `nothing new since the last time, which ended with line ${linesBefore}`;
  messages.say(messages.palette.dim(isNothing ? nothing : reportText(report, escapeUnsafe(options.to))));
  if (report.shortfall !== undefined) throw report.shortfall;
}
