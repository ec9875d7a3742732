/**
 * Server reflection that is loaded with the first question: few ask for it, and the decoded descriptors, once per version of the protocol,
 * would be a part of every process's memory.
 */
import { createRequire } from 'node:module';
import type { MethodDefinition, Server, ServiceDefinition, UntypedHandleCall } from '@grpc/grpc-js';
import type { PackageDefinition } from '@grpc/proto-loader';

type Method = MethodDefinition<object, object>;
interface Loaded {
  method: Method;
  handle: UntypedHandleCall;
}

const methodName = 'ServerReflectionInfo';
const paths = ['grpc.reflection.v1', 'grpc.reflection.v1alpha'].map(
  (version) => `/${version}.ServerReflection/${methodName}`,
);

export function addLazyReflection(server: Server, packages: PackageDefinition): void {
  let all: Map<string, Loaded> | null = null;
  const loaded = (path: string): Loaded => (all ??= load(packages)).get(path)!;
  for (const path of paths) {
    const method: Method = {
      path,
      ...{ requestStream: true, responseStream: true },
      requestSerialize: (message) => loaded(path).method.requestSerialize(message),
      requestDeserialize: (bytes) => loaded(path).method.requestDeserialize(bytes),
      responseSerialize: (message) => loaded(path).method.responseSerialize(message),
      responseDeserialize: (bytes) => loaded(path).method.responseDeserialize(bytes),
    };
    const handle = (...call: [never, never]): unknown =>
      (loaded(path).handle as (...call: [never, never]) => unknown)(...call);
    server.addService({ [methodName]: method }, { [methodName]: handle as UntypedHandleCall });
  }
}

/** The library adds itself to a server; this one only takes note of what it is given. */
function load(packages: PackageDefinition): Map<string, Loaded> {
  const { ReflectionService } = createRequire(import.meta.url)(
    '@grpc/reflection',
  ) as typeof import('@grpc/reflection');
  const found = new Map<string, Loaded>();
  const addService = (definition: ServiceDefinition, handlers: Record<string, UntypedHandleCall>): void => {
    for (const [name, method] of Object.entries(definition))
      found.set(method.path, { method: method as Method, handle: handlers[name]! });
  };
  new ReflectionService(packages).addToServer({ addService });
  return found;
}
