import type { EndpointOptions, FunctionsFromDataPlane, FunctionsToDataPlane } from './functions/protocol.ts';

/** Everything that the data plane knows, as one document: a new one takes the place of the old at once. */
export interface GatewayConfig {
  routes: Route[];
  certificates: Certificate[];
  /** Shown to clients that ask for a host without a certificate of its own. */
  defaultCertificate: { cert: string; key: string };
  limits: GatewayLimits;
}

export interface GatewayLimits {
  bodyBytes: number;
  requestTimeoutMs: number;
}

export interface Certificate {
  hosts: string[];
  cert: string;
  key: string;
}

export interface Route {
  /** "ingress/namespace/name", for logs and metrics. */
  owner: string;
  /** Exact names, "*.name" for one label before it, or "*" for all. */
  host: string;
  match: RouteMatch;
  action: RouteAction;
}

export interface RouteMatch {
  path: { type: 'exact' | 'prefix' | 'regex'; value: string };
  method?: string;
  headers?: ValueMatch[];
  query?: ValueMatch[];
}

export interface ValueMatch {
  name: string;
  value: string;
  regex?: boolean;
}

export type RouteAction =
  | { type: 'forward'; backends: Backend[]; filters?: Filters; options?: ForwardOptions }
  | { type: 'redirect'; redirect: Redirect }
  | { type: 'function'; key: string; options: EndpointOptions };

export interface Redirect {
  scheme?: string;
  host?: string;
  port?: number;
  path?: PathRewrite;
  status: number;
}

/** What the path becomes: all of it, the part that matched, or groups of a regular expression. */
export type PathRewrite =
  | { type: 'full'; value: string }
  | { type: 'prefix'; value: string }
  | { type: 'regex'; value: string };

export interface HeaderChange {
  set?: Record<string, string>;
  add?: Record<string, string>;
  remove?: string[];
}

export interface Filters {
  request?: HeaderChange;
  response?: HeaderChange;
  rewriteHost?: string;
  rewritePath?: PathRewrite;
}

export interface ForwardOptions {
  timeoutMs?: number;
  bodyBytes?: number;
  /** Requests over plain HTTP are sent to HTTPS. */
  httpsOnly?: boolean;
  affinityCookie?: string;
  cors?: { origins: string[]; methods?: string; headers?: string; credentials: boolean };
}

export interface Backend {
  /** "namespace/name:port", for logs. */
  name: string;
  weight: number;
  protocol: 'http' | 'https' | 'h2c';
  endpoints: Endpoint[];
}

export interface Endpoint {
  address: string;
  port: number;
  /** On the host's network, to be reached through the socket of the server. */
  host?: boolean;
  /** A socket of this machine, instead of address and port. */
  socket?: string;
}

/** What the server says to the data plane; with `listen` comes the listening socket. */
export type ToDataPlane =
  | { type: 'start'; accessLog: string | undefined; hostSocket: string | undefined }
  | { type: 'listen'; protocol: 'http' | 'https' }
  | { type: 'config'; version: number; config: GatewayConfig }
  | { type: 'metrics'; id: number }
  | { type: 'drain' }
  | FunctionsToDataPlane;

export type FromDataPlane =
  | { type: 'ready' }
  | { type: 'listening'; protocol: 'http' | 'https' }
  | { type: 'applied'; version: number }
  | { type: 'metrics'; id: number; metrics: RouteMetrics[] }
  | FunctionsFromDataPlane;

export interface RouteMetrics {
  /** "namespace/service:port" of each backend. */
  backends: string[];
  owner: string;
  host: string;
  path: string;
  /** By class of status: 1xx to 5xx. */
  statuses: Record<string, number>;
  /** Upper bounds in seconds, and how many requests took at most so long. */
  buckets: [bound: number, count: number][];
  count: number;
  seconds: number;
}
