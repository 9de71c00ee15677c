/** Inner parts that the command line uses beside `index.ts`. They may change in any version. */
export { isLoopback } from './core/address.js';
export { mayReject } from './core/close-code.js';
export { apiWordOf, clockAheadOf, clockText } from './core/failure/answer.js';
export { describeEnd } from './core/failure/give-up.js';
export { withServerChoice } from './core/failure/next-command.js';
export type { NextCommand, SaidNats, SaidRoute } from './core/failure/rule.js';
export { compileSequence, type EventSequence, type SequenceMatch } from './core/filter/sequence.js';
export { checkHeader, MAX_HEADER_BYTES } from './core/headers.js';
export { isStreamAddress } from './core/jetstream/address.js';
export { isObject, parseObject } from './core/json/json-tokens.js';
export { endOfString, parseSparsely } from './core/json/members.js';
export { FAULT_EXAMPLES } from './core/mock/fault.js';
export { endpointLabel, OBJECT_KINDS, unknownEndpoint } from './core/protocol.js';
export { checkContext } from './core/recording/event-context.js';
export { withoutLifecycleLines } from './core/recording/format.js';
export { LineView } from './core/recording/line-view.js';
export { defaultRetry } from './core/retry.js';
export { SEVERITIES } from './core/severity.js';
export { ConnectionHistory } from './core/statistics/connection-history.js';
export { type DeviceRow, DeviceTable, deviceOf, rowKeyOf } from './core/statistics/device-table.js';
export { ProblemCounts } from './core/statistics/problems.js';
export { shortName } from './core/statistics/tally.js';
export {
  DURATION,
  escapeUnsafeJson,
  escapeUnsafeOutput,
  millisecondsOf,
  nearestOf,
  quoted,
  relativeTime,
  withoutQuotes,
} from './core/text.js';
export { version } from './core/version.js';
export { firstToMend } from './io/client/stream-control.js';
export { LARGEST_MESSAGE_LIMIT, STREAM_DEFAULTS } from './io/client/stream-options.js';
export { shared } from './io/clock.js';
export { apiText } from './io/diagnosis/findings.js';
export { type FileLock, tryLock } from './io/file-lock.js';
export { askApi } from './io/http/ask-api.js';
export { isKeyEncrypted } from './io/http/client-certificate.js';
export { readUpTo } from './io/http/http-request.js';
export { nameOf } from './io/http/proxy.js';
export { displayProxy, type ProxyChoice, readProxy } from './io/http/proxy-choice.js';
export { ServerRoute } from './io/http/server-route.js';
export { type PublishReport, publishRecording } from './io/jetstream/publish-recording.js';
export type { Outcome } from './io/jetstream/publish-window.js';
export { RecordingPublisher } from './io/jetstream/recording-publisher.js';
export { type NatsAccess, targetOf } from './io/jetstream/target.js';
export { ProcessGroup } from './io/process-group.js';
export { reasonOf, writeInOneStep } from './io/recording/recording-files.js';
export { accountOf, parseCredentials, serializeCredentials } from './io/token/credentials.js';
export { exposure, readSecretFile } from './io/token/secret-file.js';
export { cleanToken } from './io/token/token.js';
export { splitCommand } from './io/token/token-command.js';
