import { OcislimError } from '../lib/errors.ts';

const LAST = 65_535;
const PROTOCOLS: readonly string[] = ['tcp', 'udp', 'sctp'];

/**
 * The keys of `ExposedPorts` that EXPOSE means: `80`, `53/udp`, `8000-8010`, and `HOST:CONTAINER` with or without an
 * address, of which an image has the container's part (docker/go-connections, nat).
 * @throws OCISLIM_DOCKERFILE_INVALID
 */
export function exposedPorts(texts: readonly string[]): Readonly<Record<string, object>> {
  return Object.fromEntries(texts.flatMap((text) => portsOf(text)).map((port) => [port, {}]));
}

function portsOf(text: string): readonly string[] {
  const [ports = '', protocol = 'tcp', ...rest] = text.split('/');
  const proto = protocol.toLowerCase();
  const [first, last] = rangeOf(ports.slice(ports.lastIndexOf(':') + 1)) ?? [];
  if (first === undefined || last === undefined || rest.length > 0 || !PROTOCOLS.includes(proto)) {
    throw new OcislimError('OCISLIM_DOCKERFILE_INVALID', `${JSON.stringify(text)} is no port`, {
      hint: 'for example 8080, 53/udp or 8000-8010',
    });
  }
  return Array.from({ length: last - first + 1 }, (_, at) => `${first + at}/${proto}`);
}

function rangeOf(text: string): readonly [number, number] | undefined {
  const [, from, to] = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(text) ?? [];
  if (from === undefined) return undefined;
  const [first, last] = [Number(from), Number(to ?? from)];
  return first <= last && last <= LAST ? [first, last] : undefined;
}
