/** The library: what programs may use. Nothing here prints or exits. */
export { DEFAULT_URL, displayUrl, parseBaseUrl } from './core/address.js';
export { readClaims, type TokenClaims } from './core/claims.js';
export { CloseCode, closeMeaning } from './core/close-code.js';
export { type ErrorCode, OpmasError, type OpmasErrorOptions } from './core/errors.js';
export type { SaidOptions } from './core/failure/rule.js';
export type { FailureKind } from './core/failure/table.js';
export type { Check, Verdict } from './core/failure/verdict.js';
export { compileFilter, type Filter, type FilterOptions } from './core/filter/filter.js';
export type { Fault, FaultKind } from './core/mock/fault.js';
export {
  type DocumentedEvent,
  ENDPOINTS,
  type EndpointName,
  EVENT_TYPES,
  type EventData,
  type EventType,
  endpointOfType,
  isDocumented,
  type OpmasEvent,
  type UnknownEvent,
} from './core/protocol.js';
export { type ConnectionEvent, FORMAT_VERSION } from './core/recording/connection-event.js';
export type { ContextOptions, ContextSpan } from './core/recording/event-context.js';
export type {
  EventLine,
  InvalidLine,
  LifecycleEntry,
  LifecycleLine,
  Line,
  LineBatch,
  LineKind,
} from './core/recording/format.js';
export type { LineView } from './core/recording/line-view.js';
export { eventOf, linesOf, parseLine } from './core/recording/parse-line.js';
export { formatTimestamp, parseTimestamp } from './core/recording/timestamp.js';
export type { RetryOptions } from './core/retry.js';
export { type Severity, severityOf } from './core/severity.js';
export type { Outage, RecordedGap } from './core/statistics/connection-report.js';
export type {
  Incident,
  RecordedDevice,
  RecordedProblem,
  UnresolvedAlert,
} from './core/statistics/problems.js';
export type { NamedCount } from './core/statistics/tally.js';
export type { TimelineColumns } from './core/statistics/timeline.js';
export { escapeUnsafe } from './core/text.js';
export { encodeFrame } from './core/websocket-frame.js';
export type { LifecycleEvent, SubscribeOptions } from './io/client/stream-options.js';
export {
  type StreamOutcome,
  type StreamSummary,
  type Subscription,
  subscribe,
} from './io/client/subscribe.js';
export { type Clock, systemClock } from './io/clock.js';
export { type DiagnosisOptions, diagnose } from './io/diagnosis/diagnose.js';
export type { RouteOptions, TokenPlace } from './io/http/server-route.js';
export { openRecording } from './io/recording/open-recording.js';
export type { ReadOptions } from './io/recording/open-sources.js';
export type { PartOptions } from './io/recording/part.js';
export type { ReadProblem } from './io/recording/read-problems.js';
export {
  type InspectedRecording,
  inspectRecording,
  type ReadRecordingOptions,
  readRecording,
} from './io/recording/read-recording.js';
export type { RecordingWriter, RecordOptions } from './io/recording/recording-writer.js';
export { type MockServerOptions, type StoryOptions, startMockServer } from './io/replay/mock-server.js';
export type {
  PlaybackControls,
  ReplayNotice,
  ReplayStatus,
  ServeRecordingOptions,
} from './io/replay/replay-options.js';
export { type ReplayServer, serveRecording } from './io/replay/serve-recording.js';
export type {
  AuthMode,
  MockServer,
  ServerActivity,
  ServerLimits,
  ServingOptions,
} from './io/server/serving-options.js';
export { startServer } from './io/server/stream-server.js';
export type { Refusal, ServedClient, ServerControl, StreamSource } from './io/server/stream-source.js';
export type { CredentialStore, Credentials, StoredCredentials } from './io/token/credentials.js';
export { login, refreshCredentials, type ServerAccess } from './io/token/login.js';
export { StoredToken } from './io/token/stored-token.js';
export {
  noToken,
  type TokenFileOptions,
  type TokenProvider,
  tokenFromFile,
  tokenFromStream,
  tokenFromText,
} from './io/token/token.js';
export { type TokenCommandOptions, tokenFromCommand } from './io/token/token-command.js';
