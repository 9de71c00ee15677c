/** The face of the library. Everything that the command line can do is here; nothing here prints or exits. */
export {
  apiUrl,
  DEFAULT_URL,
  displayUrl,
  endpointUrl,
  isLoopback,
  parseBaseUrl,
  redactToken,
} from './core/address.js';
export { readClaims, type TokenClaims } from './core/claims.js';
export { CloseCode, closeMeaning } from './core/close-code.js';
export { splitCommand } from './core/command-words.js';
export type { Check, ConnectionFault } from './core/diagnosis/check.js';
export type { SaidOptions } from './core/diagnosis/next-command.js';
export type { Verdict } from './core/diagnosis/verdict.js';
export { editDistance } from './core/edit-distance.js';
export { type ErrorCode, OpmasError, type OpmasErrorOptions } from './core/errors.js';
export type { Filter, FilterOptions } from './core/filter/filter.js';
export { lineFilter } from './core/filter/line-filter.js';
export { FrameReader, type FrameVerdict } from './core/json/frame.js';
export { findJsonFault, type JsonFault } from './core/json/json-fault.js';
export { type Fault, type FaultAction, parseFault } from './core/mock/fault.js';
export { escapeUnsafe, escapeUnsafeJson } from './core/printable.js';
export {
  type DocumentedEvent,
  ENDPOINTS,
  type EndpointName,
  EVENT_TYPES,
  type EventData,
  type EventType,
  endpointOfType,
  endpointPath,
  isDocumented,
  isEndpointName,
  type OpmasEvent,
  type UnknownEvent,
} from './core/protocol.js';
export { type ConnectionState, FORMAT_VERSION } from './core/recording/connection-state.js';
export { type EventLineShape, eventLineShape } from './core/recording/event-line.js';
export { withoutLifecycleLines } from './core/recording/lifecycle-lines.js';
export {
  type EventLine,
  eventOf,
  formatInvalidLine,
  formatLifecycleLine,
  type InvalidLine,
  type LifecycleLine,
  type Line,
  type LineBatch,
  linesOf,
  parseLine,
} from './core/recording/line.js';
export { type LineKind, LineView } from './core/recording/line-view.js';
export { formatTimestamp, parseTimestamp } from './core/recording/timestamp.js';
export { relativeTime } from './core/relative-time.js';
export type { RetryOptions } from './core/retry.js';
export type { RecordedClose, RecordedConnection, RecordedGap } from './core/statistics/connection-history.js';
export type { NamedCount } from './core/statistics/recording-statistics.js';
export type { TimelineColumns } from './core/statistics/timeline.js';
export { encodeFrame } from './core/websocket-frame.js';
export {
  LARGEST_MESSAGE_LIMIT,
  type LifecycleEvent,
  type SubscribeOptions,
} from './io/client/stream-options.js';
export { type StreamSummary, type Subscription, subscribe } from './io/client/subscribe.js';
export { type Clock, systemClock } from './io/clock.js';
export type { DiagnosisOptions } from './io/diagnosis/diagnose.js';
export { type FileLock, type LockHolder, tryLock } from './io/file-lock.js';
export type { HttpRequest, HttpResponse } from './io/http/http-request.js';
export { ProxyError, proxyAgentFor } from './io/http/proxy.js';
export type { TriageOptions } from './io/http/triage.js';
export {
  compileFilter,
  diagnose,
  httpRequest,
  inspectRecording,
  login,
  openRecording,
  readRecording,
  refreshCredentials,
  serveRecording,
  triageRefusal,
} from './io/on-demand.js';
export type { InspectedRecording } from './io/recording/inspect.js';
export type { ReadProblem } from './io/recording/read-problems.js';
export type { ReadRecordingOptions, RecordedBatch } from './io/recording/read-recording.js';
export type { ReadOptions } from './io/recording/reader.js';
export type { RecordingWriter, RecordOptions } from './io/recording/writer.js';
export type { PlaybackControls } from './io/replay/playback.js';
export type { ServeRecordingOptions } from './io/replay/replay-options.js';
export type { ReplayNotice, ReplayStatus } from './io/replay/replay-source.js';
export type { ReplayServer } from './io/replay/serve-recording.js';
export { type MockServerOptions, startMockServer, startServer } from './io/server/mock-server.js';
export type {
  MockServer,
  ServerActivity,
  ServerLimits,
  ServingOptions,
} from './io/server/serving-options.js';
export type { StoryOptions } from './io/server/story-source.js';
export type { Refusal, ServedClient, ServerControl, StreamSource } from './io/server/stream-source.js';
export type { AuthMode } from './io/server/token-issuer.js';
export {
  accountOf,
  type CredentialStore,
  type Credentials,
  expiryOf,
  parseCredentials,
  type StoredCredentials,
  serializeCredentials,
} from './io/token/credentials.js';
export type { ServerAccess } from './io/token/login.js';
export { StoredToken } from './io/token/stored-token.js';
export {
  cleanToken,
  noToken,
  type TokenFileOptions,
  type TokenProvider,
  tokenFromFile,
  tokenFromStream,
  tokenFromText,
} from './io/token/token.js';
export { type TokenCommandOptions, tokenFromCommand } from './io/token/token-command.js';
