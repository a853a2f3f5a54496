import { isRecord } from './object.ts';

/** Why the API refused: one closed union, one table to HTTP codes. */
const HTTP_CODES = {
  BadRequest: 400,
  Unauthorized: 401,
  Forbidden: 403,
  NotFound: 404,
  MethodNotAllowed: 405,
  NotAcceptable: 406,
  AlreadyExists: 409,
  Conflict: 409,
  Gone: 410,
  Expired: 410,
  RequestEntityTooLarge: 413,
  UnsupportedMediaType: 415,
  Invalid: 422,
  TooManyRequests: 429,
  InternalError: 500,
  NotImplemented: 501,
  ServiceUnavailable: 503,
  Timeout: 504,
  InsufficientStorage: 507,
} as const;

export type StatusReason = keyof typeof HTTP_CODES;

export interface StatusCause {
  reason?: string;
  message?: string;
  field?: string;
}

export interface StatusDetails {
  name?: string;
  group?: string;
  kind?: string;
  uid?: string;
  causes?: StatusCause[];
  retryAfterSeconds?: number;
}

export interface Status {
  kind: 'Status';
  apiVersion: 'v1';
  metadata: Record<string, never>;
  status: 'Success' | 'Failure';
  message?: string;
  reason?: string;
  details?: StatusDetails;
  code?: number;
}

/** A refusal or failure of the API, on either side of the wire. */
export class ApiError extends Error {
  readonly reason: StatusReason;
  readonly code: number;
  readonly details: StatusDetails | undefined;

  constructor(reason: StatusReason, message: string, details?: StatusDetails, cause?: unknown) {
    super(message, { cause });
    this.name = 'ApiError';
    this.reason = reason;
    this.code = HTTP_CODES[reason];
    this.details = details;
  }

  toStatus(): Status {
    return {
      kind: 'Status',
      apiVersion: 'v1',
      metadata: {},
      status: 'Failure',
      message: this.message,
      reason: this.reason,
      ...(this.details && { details: this.details }),
      code: this.code,
    };
  }

  /** The error that a Status body and an HTTP code stand for. */
  static from(code: number, body: unknown): ApiError {
    const status = isRecord(body) && body['kind'] === 'Status' ? (body as unknown as Status) : undefined;
    const reason = knownReason(status?.reason) ?? reasonOf(code);
    return new ApiError(reason, status?.message ?? `The server answered ${code}.`, status?.details);
  }
}

export function isApiError(error: unknown, reason?: StatusReason): error is ApiError {
  return error instanceof ApiError && (reason === undefined || error.reason === reason);
}

function knownReason(reason: string | undefined): StatusReason | undefined {
  return reason !== undefined && Object.hasOwn(HTTP_CODES, reason) ? (reason as StatusReason) : undefined;
}

function reasonOf(code: number): StatusReason {
  const found = Object.entries(HTTP_CODES).find(([, value]) => value === code);
  return (found?.[0] as StatusReason | undefined) ?? 'InternalError';
}

/** Undefined where the object is not there, or not any more. */
export function unlessGone<T>(answer: Promise<T>): Promise<T | undefined> {
  return ignoring(answer, 'NotFound');
}

/** Undefined where somebody has made the object already. */
export function unlessThere<T>(answer: Promise<T>): Promise<T | undefined> {
  return ignoring(answer, 'AlreadyExists');
}

async function ignoring<T>(answer: Promise<T>, reason: StatusReason): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (isApiError(error, reason)) return undefined;
    throw error;
  }
}
