import { GRPC_STATUS } from '../engage/stream.js';
import type { HeaderList } from './header-list.js';

export interface GrpcStatus {
  readonly code: number;
  readonly details: string;
}

/** The status in trailers (or in a trailers-only response); undefined if there is none. */
export function grpcStatusOf(headers: HeaderList): GrpcStatus | undefined {
  const code = headers.get('grpc-status');
  if (code === undefined) return undefined;
  if (code === '0') return OK;
  return { code: Number(code), details: decodeMessage(headers.get('grpc-message') ?? '') };
}

const OK: GrpcStatus = { code: GRPC_STATUS.OK, details: '' };

/** The meaning of an HTTP response without a gRPC status (gRPC over HTTP2, "HTTP2 Transport Mapping"). */
export function statusOfHttp(httpStatus: number): GrpcStatus {
  const details = `HTTP status ${httpStatus} where a gRPC answer was expected`;
  if (httpStatus === 404) return { code: GRPC_STATUS.UNIMPLEMENTED, details };
  if ([429, 502, 503, 504].includes(httpStatus)) return { code: GRPC_STATUS.UNAVAILABLE, details };
  return { code: GRPC_STATUS.UNKNOWN, details };
}

/** `grpc-timeout` has at most eight digits; the unit grows until they suffice. */
export function encodeTimeout(ms: number): string {
  const left = Math.max(0, Math.ceil(ms));
  if (left < 1e8) return `${left}m`;
  return `${Math.min(Math.ceil(left / 1000), 99_999_999)}S`;
}

const UNIT_MS: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1000, m: 1, u: 1e-3, n: 1e-6 };

/** Milliseconds of a `grpc-timeout`; undefined if it is missing or unreadable. */
export function decodeTimeout(value: string | undefined): number | undefined {
  const [, digits, unit] = (value !== undefined && /^(\d{1,8})([HMSmun])$/.exec(value)) || [];
  return digits === undefined || unit === undefined ? undefined : Number(digits) * (UNIT_MS[unit] ?? 1);
}

/** Limit for the message, because peers limit trailers. */
const MAX_MESSAGE_CHARS = 1024;

/** `grpc-message` carries printable ASCII without `%`; everything else is percent-encoded UTF-8. */
export function encodeMessage(text: string): string {
  return encodeURIComponent(text.slice(0, MAX_MESSAGE_CHARS).toWellFormed()).replace(
    /%(2[0-4]|2[6-9A-F]|3[A-F]|40|5B|5C|5D|5E|60|7B|7C|7D)/g,
    (code) => decodeURIComponent(code),
  );
}

function decodeMessage(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
