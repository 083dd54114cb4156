import type { Platform } from '#oci-spec-types';
import { armVersion } from './arm.ts';
import { type ElfFile, ET_DYN, openElf, type ReadAt } from './file.ts';
import { goFunctionNames, readGoBuildInfo } from './go.ts';
import { platformOfElf, readElfHeader } from './header.ts';
import { type Linkage, readLinkage } from './linkage.ts';
import { debugBytes, findTexts, readSections, type Section } from './sections.ts';

/** What a program may ask of the system around it while it runs. */
export type Facility = 'certificates' | 'time-zones' | 'name-service' | 'temporary-files' | 'dlopen';

/** What the checks need of a program or a shared library. */
export interface ElfFacts {
  /**
   * What it runs on; none for a machine that images have no name for. The variant of 32-bit Arm is there only where the
   * file tells it.
   */
  readonly platform?: Platform | undefined;
  /** The loader that starts it; none for a static program. */
  readonly interpreter?: string | undefined;
  readonly linkage?: Linkage | undefined;
  /** Set for a shared library that cannot be started. */
  readonly isLibrary?: true | undefined;
  /** Bytes that stripping would save. */
  readonly debugBytes?: number | undefined;
  readonly uses?: readonly Facility[] | undefined;
}

/**
 * Reads everything about a program that says whether and how it will run.
 * @returns undefined for what is no program or library in ELF, or is damaged
 */
export async function describeElf(read: ReadAt): Promise<ElfFacts | undefined> {
  const [file, header] = [await openElf(read), await readElfHeader(read)];
  if (file === undefined || header === undefined) return undefined;
  const sections = await readSections(read, file);
  const linkage = await readLinkage(read);
  const { interpreter } = header;
  const platform = await withVariant(platformOfElf(header), read, sections);
  const isLibrary =
    file.type === ET_DYN &&
    interpreter === undefined &&
    linkage?.soname !== undefined &&
    linkage.isPie !== true;
  const debug = debugBytes(sections);
  const uses = isLibrary ? [] : await facilities(read, file, sections, linkage);
  return {
    platform,
    interpreter,
    linkage,
    ...(isLibrary ? { isLibrary } : {}),
    ...(debug > 0 ? { debugBytes: debug } : {}),
    ...(uses.length > 0 ? { uses } : {}),
  };
}

/** Of 32-bit Arm the version stands in attributes, or in what Go tells of its settings. */
async function withVariant(
  platform: Platform | undefined,
  read: ReadAt,
  sections: readonly Section[],
): Promise<Platform | undefined> {
  if (platform?.architecture !== 'arm') return platform;
  const { variant: _, ...plain } = platform;
  const setting = (await readGoBuildInfo(read, sections))?.settings['GOARM'];
  const version = (await armVersion(read, sections)) ?? (setting && Number.parseInt(setting, 10));
  return version === undefined || !(Number(version) >= 5 && Number(version) <= 8)
    ? plain
    : { ...plain, variant: `v${version}` };
}

type Signs = Readonly<Partial<Record<Facility, readonly string[]>>>;

/** Functions of Go's standard library, by their names between zero bytes. */
const GO_SIGNS: Signs = {
  certificates: ['\0crypto/x509.loadSystemRoots\0'],
  'time-zones': ['\0time.LoadLocation\0'],
  'temporary-files': ['\0os.CreateTemp\0', '\0os.MkdirTemp\0', '\0os.TempDir\0'],
};
/** Programs with these bring along what they would otherwise ask the system for. */
const GO_COUNTER_SIGNS: Signs = {
  certificates: ['\0crypto/x509.SetFallbackRoots\0'],
  'time-zones': ['\0time/tzdata.'],
};
/** Functions that a program takes from shared libraries. */
const SYMBOL_SIGNS: Signs = {
  'name-service': ['\0getaddrinfo\0', '\0gethostbyname\0', '\0gethostbyname_r\0'],
  'temporary-files': ['\0mkstemp\0', '\0mkstemp64\0', '\0mkdtemp\0', '\0tmpfile\0', '\0tmpfile64\0'],
  dlopen: ['\0dlopen\0'],
};
/** OpenSSL, and what goes by its conventions, such as rustls-native-certs; Node.js has them built in. */
const TEXT_SIGNS: Signs = { certificates: ['SSL_CERT_FILE'] };
const TEXT_COUNTER_SIGNS: Signs = { certificates: ['NODE_EXTRA_CA_CERTS'] };
/** Libraries with which a program makes TLS connections. */
const TLS_LIBRARIES = /^lib(?:ssl|gnutls|curl(?:-gnutls)?)\.so/;

async function facilities(
  read: ReadAt,
  file: ElfFile,
  sections: readonly Section[],
  linkage: Linkage | undefined,
): Promise<readonly Facility[]> {
  const found = new Set<Facility>();
  const look = async (
    part: Pick<Section, 'offset' | 'size'> | undefined,
    signs: Signs,
    counterSigns: Signs = {},
  ) => {
    if (part === undefined) return;
    const texts = await findTexts(
      read,
      part,
      [signs, counterSigns].flatMap((each) => Object.values(each).flat()),
    );
    for (const [facility, names] of Object.entries(signs) as [Facility, readonly string[]][]) {
      const isCountered = counterSigns[facility]?.some((text) => texts.has(text)) ?? false;
      if (names.some((text) => texts.has(text)) && !isCountered) found.add(facility);
    }
  };
  const named = (name: string) => sections.find((section) => section.name === name);
  await look(named('.dynstr'), SYMBOL_SIGNS);
  const go = await goFunctionNames(read, sections, file);
  if (go !== undefined) await look(go, GO_SIGNS, GO_COUNTER_SIGNS);
  else await look(named('.rodata'), TEXT_SIGNS, TEXT_COUNTER_SIGNS);
  if (linkage?.needed.some((name) => TLS_LIBRARIES.test(name))) found.add('certificates');
  return [...found].sort();
}
