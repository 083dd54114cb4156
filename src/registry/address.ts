import { isIPv4, isIPv6 as isValidIPv6 } from 'node:net';

/** `host[:port]` or `[address]:port` without its port and brackets, in lower case; a bare address stays one. */
export function hostName(host: string): string {
  if (isIPv6(host)) return host.toLowerCase();
  if (host.startsWith('[')) return host.slice(1, host.indexOf(']')).toLowerCase();
  const colon = host.indexOf(':');
  return (colon < 0 ? host : host.slice(0, colon)).toLowerCase();
}

/** This machine itself: `localhost`, `127.0.0.0/8`, `::1`. Only here is plain HTTP tried without being asked for. */
export function isLoopback(host: string): boolean {
  const name = hostName(host);
  if (name === 'localhost' || name.endsWith('.localhost')) return true;
  return isIPv4(name) ? name.startsWith('127.') : name === '::1';
}

/** A link-local address, where clouds serve their machines' secrets (169.254.169.254); no registry lives there. */
export function isLinkLocal(host: string): boolean {
  const name = mapped(hostName(host));
  return isIPv4(name) ? name.startsWith('169.254.') : isIPv6(name) && /^fe[89ab]/.test(name);
}

/** An address, or a name, that only means something inside somebody's network. */
export function isPrivate(host: string): boolean {
  const name = mapped(hostName(host));
  if (isLoopback(name) || isLinkLocal(name)) return true;
  if (isIPv4(name)) {
    const [first = 0, second = 0] = name.split('.').map(Number);
    return (
      first === 10 ||
      first === 0 ||
      (first === 172 && second >= 16 && second < 32) ||
      (first === 192 && second === 168) ||
      (first === 100 && second >= 64 && second < 128)
    );
  }
  if (isIPv6(name)) return name === '::' || name.startsWith('fc') || name.startsWith('fd');
  return !name.includes('.') || /\.(?:local|internal|intranet|lan|corp|home\.arpa|svc)$/.test(name);
}

/** Node's pattern takes milliseconds to compile; what has not two colons is told apart without it. */
function isIPv6(name: string): boolean {
  return name.indexOf(':') !== name.lastIndexOf(':') && isValidIPv6(name);
}

/** An IPv4 address written as IPv6 (`::ffff:7f00:1`, as URL prints it), in its own form. */
function mapped(name: string): string {
  const groups = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(name);
  if (groups === null) return name;
  const [high, low] = [groups[1], groups[2]].map((group) => Number.parseInt(group ?? '0', 16));
  return [(high ?? 0) >> 8, (high ?? 0) & 255, (low ?? 0) >> 8, (low ?? 0) & 255].join('.');
}

/**
 * Whether a URL that a registry names (token realm, upload location) leads into a network that the registry itself
 * is not in. Only addresses written in the URL are judged; what a name resolves to is not looked at.
 */
export function leadsInward(target: URL, registry: URL): boolean {
  if (target.host === registry.host) return false;
  if (isLinkLocal(target.host)) return !isLinkLocal(registry.host);
  return isPrivate(target.host) && !isPrivate(registry.host);
}
