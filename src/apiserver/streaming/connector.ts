import type { IncomingMessage } from 'node:http';
import { ApiError, type KubeObject } from '../../kube/index.ts';
import { pour } from '../http/forward.ts';
import { type ApiRequest, headerOf, isTrue, type Reply, type Upgrade } from '../http/request.ts';
import type { PodConnector } from '../http/subresources.ts';
import { commandRequest, containerOf } from './command.ts';
import type { LogOptions, PodRuntime } from './runtime.ts';
import { spdyCommand, spdyPortForward } from './spdy-session.ts';
import { websocketCommand, websocketPortForward } from './websocket-session.ts';

/** Lets clients reach pods by all protocols that kubectl has spoken: SPDY/3.1, and WebSocket v4 and v5. */
export function podConnector(runtime: PodRuntime, now: () => number): PodConnector {
  return {
    logs: async (pod, query) => logs(runtime, pod, query, now),
    connect: async (pod, kind, request) => connect(runtime, pod, kind, request),
    dial: (pod, port, signal) => runtime.dial(pod, port, signal),
  };
}

function connect(
  runtime: PodRuntime,
  pod: KubeObject,
  kind: 'exec' | 'attach' | 'portforward',
  request: ApiRequest,
): Upgrade {
  const protocol = headerOf(request, 'upgrade').toLowerCase();
  // Only upgrades of real HTTP/1.1 connections come here, and those carry their message.
  const message = {
    headers: request.headers,
    method: request.method,
    url: request.path,
  } as unknown as IncomingMessage;
  const offered = headerOf(request, 'x-stream-protocol-version')
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
  if (protocol === 'websocket') {
    return kind === 'portforward'
      ? websocketPortForward(runtime, pod, message)
      : websocketCommand(runtime, pod, commandRequest(pod, kind, request.query), message);
  }
  if (protocol === 'spdy/3.1') {
    return kind === 'portforward'
      ? spdyPortForward(runtime, pod, offered)
      : spdyCommand(runtime, pod, commandRequest(pod, kind, request.query), offered);
  }
  throw new ApiError(
    'BadRequest',
    `unable to upgrade: this server takes SPDY/3.1 and websocket, not ${JSON.stringify(protocol)}`,
  );
}

async function logs(
  runtime: PodRuntime,
  pod: KubeObject,
  query: URLSearchParams,
  now: () => number,
): Promise<Reply> {
  const options = logOptions(pod, query, now);
  return {
    status: 200,
    headers: { 'content-type': 'text/plain' },
    start: async (sink) => pour(await runtime.logs(pod, options, sink.signal), sink),
  };
}

function logOptions(pod: KubeObject, query: URLSearchParams, now: () => number): LogOptions {
  const sinceSeconds = whole(query, 'sinceSeconds');
  const sinceTime = query.get('sinceTime');
  if (sinceTime !== null && Number.isNaN(Date.parse(sinceTime)))
    throw new ApiError('BadRequest', `sinceTime must be a time, not ${JSON.stringify(sinceTime)}.`);
  return {
    container: containerOf(pod, query.get('container')),
    follow: isTrue(query.get('follow')),
    previous: isTrue(query.get('previous')),
    timestamps: isTrue(query.get('timestamps')),
    tailLines: whole(query, 'tailLines'),
    limitBytes: whole(query, 'limitBytes'),
    stream: streamOf(query),
    since:
      sinceTime !== null
        ? Date.parse(sinceTime)
        : sinceSeconds === undefined
          ? undefined
          : now() - sinceSeconds * 1000,
  };
}

function whole(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name);
  if (text === null || text === '') return undefined;
  if (!/^\d{1,12}$/.test(text))
    throw new ApiError('BadRequest', `${name} must be a whole number, 0 or more.`);
  return Number(text);
}

/** "Stdout" and "Stderr" ask for one of the two, "All" for both. */
function streamOf(query: URLSearchParams): 'stdout' | 'stderr' | undefined {
  const stream = query.get('stream');
  if (stream === null || stream === 'All') return undefined;
  if (stream === 'Stdout') return 'stdout';
  if (stream === 'Stderr') return 'stderr';
  throw new ApiError(
    'Invalid',
    `PodLogOptions is invalid: stream: Unsupported value: ${JSON.stringify(stream)}: supported values: "All", "Stdout", "Stderr"`,
  );
}
