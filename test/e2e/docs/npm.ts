import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { must, root } from '../../support/cli.ts';
import { httpServer } from '../../support/http-server.ts';
import { tempDir } from '../../support/temp.ts';

const SIGN = `class Given { constructor(options) { this.options = options; } }
class DSSEBundleBuilder extends Given {
  async create({ data, type }) {
    const dsseEnvelope = { payload: data.toString('base64'), payloadType: type, signatures: [{ sig: 'AAAA' }] };
    const verificationMaterial = { certificate: { rawBytes: Buffer.from("of a CI job").toString('base64') } };
    return { mediaType: 'application/vnd.dev.sigstore.bundle.v0.3+json', verificationMaterial, dsseEnvelope };
  }
}
module.exports = {
  CIContextProvider: Given, FulcioSigner: Given, RekorWitness: Given, DSSEBundleBuilder,
  DEFAULT_FULCIO_URL: 'https://fulcio.example', DEFAULT_REKOR_URL: 'https://rekor.example',
};
`;

/** Packages in place of sigstore's, which sign with nothing and ask nobody. */
const PACKAGES = [
  { name: '@sigstore/sign', main: SIGN, dependencies: { '@sigstore/bundle': '4.0.0' } },
  { name: '@sigstore/bundle', main: 'exports.bundleToJSON = (bundle) => bundle;\n', dependencies: {} },
];
const version = '4.0.0';

/**
 * npm's registry on loopback, for one test, with sigstore's packages alone.
 * @returns the variable that leads npm there
 */
export async function npmRegistry(): Promise<NodeJS.ProcessEnv> {
  const tarballs = new Map<string, Buffer>();
  for (const { name, main, dependencies } of PACKAGES) {
    const folder = tempDir();
    mkdirSync(join(folder, 'package'));
    writeFileSync(join(folder, 'package/package.json'), JSON.stringify({ name, version, dependencies }));
    writeFileSync(join(folder, 'package/index.js'), main);
    tarballs.set(`/${name}.tgz`, readFileSync(await tarball(folder)));
  }
  const server = await httpServer(({ path }) => {
    const asked = decodeURIComponent(path);
    const found = PACKAGES.find(({ name }) => asked === `/${name}`);
    if (found === undefined) return tarballs.has(asked) ? { body: tarballs.get(asked) } : undefined;
    const { name, dependencies } = found;
    const dist = { tarball: `${server.url}/${name}.tgz` };
    const versions = { [version]: { name, version, dependencies, dist } };
    return { body: JSON.stringify({ name, 'dist-tags': { latest: version }, versions }) };
  });
  return { npm_config_registry: server.url, npm_config_noproxy: '127.0.0.1', npm_config_audit: 'false' };
}

/** The built ocislim as a package for npm, but for its dependencies, which are bundled. */
export async function ocislimTarball(): Promise<string> {
  const folder = tempDir();
  mkdirSync(join(folder, 'package'));
  const { name, version, bin, type } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  writeFileSync(join(folder, 'package/package.json'), JSON.stringify({ name, version, bin, type }));
  for (const part of ['bin', 'dist'])
    cpSync(join(root, part), join(folder, 'package', part), {
      recursive: true,
      filter: (path) => !path.startsWith(join(root, 'dist/standalone')),
    });
  return tarball(folder);
}

async function tarball(folder: string): Promise<string> {
  await must('tar', ['-czf', 'made.tgz', 'package'], { cwd: folder });
  return join(folder, 'made.tgz');
}
