import type { ReadAt } from './file.ts';
import type { Section } from './sections.ts';

const SHT_ARM_ATTRIBUTES = 0x70000003;
const LIMIT = 64 * 1024;
const TAG_FILE = 1;
const TAG_CPU_ARCH = 6;
/** Tags whose value is text; of those above 32 the odd ones are (ABI addenda, section 3.3.4). */
const TEXT_TAGS = new Set([4, 5, 67]);
const TAG_COMPATIBILITY = 32;

/** `Tag_CPU_arch` as the version of the architecture that images name. */
const VERSIONS: Readonly<Record<number, number>> = {
  1: 5, // v4 and v4T run on what is called v5
  2: 5,
  3: 5,
  4: 5,
  5: 5,
  6: 6,
  7: 6,
  8: 6,
  9: 6,
  10: 7,
  14: 8,
};

/**
 * The version of Arm's architecture that 32-bit code was built for, 5 to 8 (Addenda to, and errata in, the ABI for the
 * Arm architecture, chapter 3, build attributes).
 * @returns undefined where the file does not say it, as Go's programs do not
 */
export async function armVersion(read: ReadAt, sections: readonly Section[]): Promise<number | undefined> {
  const section = sections.find(({ type }) => type === SHT_ARM_ATTRIBUTES);
  if (section === undefined) return undefined;
  const bytes = await read(section.offset, Math.min(section.size, LIMIT));
  // 'A', then the length of the vendor's part, then "aeabi\0", then the tag and length of a part about the whole file.
  const vendorEnd = bytes.indexOf(0, 5);
  if (bytes[0] !== 0x41 || vendorEnd < 0 || bytes.toString('latin1', 5, vendorEnd) !== 'aeabi')
    return undefined;
  const at = vendorEnd + 1;
  if (bytes[at] !== TAG_FILE) return undefined;
  const architecture = attribute(bytes, at + 5, TAG_CPU_ARCH);
  return architecture === undefined ? undefined : VERSIONS[architecture];
}

/** The value of a tag among pairs of tag and value. */
function attribute(bytes: Buffer, from: number, wanted: number): number | undefined {
  let at = from;
  const number = () => {
    let value = 0;
    for (let shift = 0; shift < 28; shift += 7) {
      const byte = bytes[at++];
      if (byte === undefined) return undefined;
      value += (byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    return undefined;
  };
  const skipText = () => {
    const end = bytes.indexOf(0, at);
    at = end < 0 ? bytes.length : end + 1;
  };
  while (at < bytes.length) {
    const tag = number();
    if (tag === undefined) return undefined;
    if (TEXT_TAGS.has(tag) || (tag > TAG_COMPATIBILITY && tag % 2 === 1)) {
      skipText();
      continue;
    }
    const value = number();
    if (tag === wanted) return value;
    if (tag === TAG_COMPATIBILITY) skipText();
  }
  return undefined;
}
