import { lookup } from 'node:dns/promises';
import { connect } from 'node:tls';
import { hostName } from './address.ts';
import { connectionError } from './connection-errors.ts';

/** What a host's name means here, for people. @throws OCISLIM_REGISTRY_UNREACHABLE */
export async function addressesOf(base: URL): Promise<string> {
  const name = hostName(base.host);
  try {
    const addresses = await lookup(name, { all: true });
    const own = addresses.map(({ address }) => address).filter((address) => address !== name);
    return own.length === 0 ? `${name}: an address` : `${name}: ${own.join(', ')}`;
  } catch (error) {
    throw connectionError(error, base);
  }
}

/** Protocol and certificate, whatever is thought of them; whether they are trusted the request itself has shown. */
export function certificateFacts({ hostname, port }: URL): Promise<string> {
  return new Promise((resolve) => {
    const host = hostname.replace(/^\[|\]$/g, '');
    const socket = connect({
      host,
      port: Number(port) || 443,
      servername: /[a-z]/i.test(host) ? host : '',
      rejectUnauthorized: false,
    });
    const end = (facts: string) => {
      socket.destroy();
      resolve(facts);
    };
    socket.setTimeout(5_000, () => end('no details in time'));
    socket.once('error', () => end('no details'));
    socket.once('secureConnect', () => {
      const { issuer, valid_to } = socket.getPeerCertificate();
      const by = issuer?.O ?? issuer?.CN;
      end(
        [socket.getProtocol(), by && `signed by ${by}`, valid_to && `valid until ${valid_to}`]
          .filter(Boolean)
          .join(', '),
      );
    });
  });
}
