import { existsSync } from 'node:fs';
import path from 'node:path';
import type { ServiceDefinition } from '@grpc/grpc-js';
import type { PackageDefinition } from '@grpc/proto-loader';
import type protobuf from 'protobufjs';
import { decodeClientMessage, encodeRunnerMessage } from './codec.js';

/** Options that give message objects the same form everywhere: proto field names, plain numbers. */
const LOADER_OPTIONS = { keepCase: true, longs: Number, enums: String, defaults: true, oneofs: true };

/** `proto/runner.proto`: a published package has a copy, the repository has it at its root. */
export function protoPath(): string {
  const candidates = ['../../proto/runner.proto', '../../../../proto/runner.proto'].map((relative) =>
    path.join(__dirname, relative),
  );
  const found = candidates.find((candidate) => existsSync(candidate));
  if (found === undefined) throw new Error(`runner.proto not found; looked for ${candidates.join(' and ')}`);
  return found;
}

export function packageDefinition(): PackageDefinition {
  return protoLoader().loadSync(protoPath(), LOADER_OPTIONS);
}

/**
 * The service in the form of @grpc/grpc-js. Engage carries our message unions and skips the object conversion of the loader, which
 * would be the most expensive part of a small call.
 */
export function runnerService(): ServiceDefinition {
  const service = packageDefinition().RunnerProtocol as ServiceDefinition | undefined;
  const engage = service?.Engage;
  if (service === undefined || engage === undefined) throw new Error('runner.proto declares no RunnerProtocol.Engage');
  return {
    ...service,
    Engage: { ...engage, requestDeserialize: decodeClientMessage, responseSerialize: encodeRunnerMessage },
  };
}

/** Message types by reflection, for tests and tools that check the wire format. */
export function protoRoot(): protobuf.Root {
  const library: typeof protobuf = require('protobufjs');
  return library.loadSync(protoPath());
}

/** Loaded only by code that uses more of the protocol than Engage. */
function protoLoader(): typeof import('@grpc/proto-loader') {
  return require('@grpc/proto-loader');
}
