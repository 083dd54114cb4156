import { type Digest, isDigest } from '#oci-spec-types';
import { OcislimError } from '../lib/errors.ts';

/** An image's name in a registry, fully qualified. It has a tag, a digest, or both; with both the digest decides. */
export interface Reference {
  /** Host and port, lower case; `docker.io` for Docker Hub. */
  readonly registry: string;
  /** Path in the registry, e.g. `library/alpine`. */
  readonly repository: string;
  readonly tag?: string | undefined;
  readonly digest?: Digest | undefined;
}

export interface ParseOptions {
  /** Short names and what they stand for, as in the `[aliases]` table of registries.conf; asked for short names alone. */
  readonly aliases?: Readonly<Record<string, string>> | undefined;
}

const DOCKER_HUB = 'docker.io';
const OFFICIAL = 'library/';
const DEFAULT_TAG = 'latest';

/** Longer than a host, 255 characters of path, 128 of tag and a SHA-512 together; nothing beyond is looked at. */
const REFERENCE_LIMIT = 1024;
const REPOSITORY_LIMIT = 255;
const HOST_LIMIT = 255;
const TAG_LIMIT = 128;

/**
 * Parses a name as Docker does (github.com/distribution/reference): `alpine`, `me/app:1`,
 * `ghcr.io/me/app@sha256:…`, `[::1]:5000/app`. Time is linear in the length, which is limited.
 * @throws OCISLIM_REFERENCE_INVALID with what is wrong with it.
 */
export function parseReference(text: string, options: ParseOptions = {}): Reference {
  if (text.length > REFERENCE_LIMIT) throw invalid(text, `${text.length} characters long`);
  const at = text.indexOf('@');
  const name = at < 0 ? text : text.slice(0, at);
  const digest = at < 0 ? undefined : checkedDigest(text, text.slice(at + 1));
  checkObvious(text, name);

  const { host, path, tag } = split(name);
  const aliased = host === undefined ? lookUp(options.aliases, path) : undefined;
  const { registry, repository } =
    aliased === undefined ? qualified(text, host, path) : parseReference(aliased);
  if (tag !== undefined) checkTag(text, tag);
  return {
    registry,
    repository,
    ...(tag === undefined && digest === undefined ? { tag: DEFAULT_TAG } : {}),
    ...(tag === undefined ? {} : { tag }),
    ...(digest === undefined ? {} : { digest }),
  };
}

function lookUp(aliases: ParseOptions['aliases'], path: string): string | undefined {
  return aliases !== undefined && Object.hasOwn(aliases, path) ? aliases[path] : undefined;
}

/** Gives the mistakes people make most a message of their own. */
function checkObvious(text: string, name: string): void {
  if (name === '') throw invalid(text, 'it is empty');
  if (name.includes('://')) {
    throw invalid(text, 'it has a scheme', `leave the scheme out: ${name.slice(name.indexOf('://') + 3)}`);
  }
}

function split(name: string): { host?: string; path: string; tag?: string } {
  const slash = name.indexOf('/');
  const first = slash < 0 ? '' : name.slice(0, slash);
  const rest = looksLikeHost(first) ? name.slice(slash + 1) : name;
  const colon = rest.indexOf(':');
  return {
    ...(rest === name ? {} : { host: first }),
    path: colon < 0 ? rest : rest.slice(0, colon),
    ...(colon < 0 ? {} : { tag: rest.slice(colon + 1) }),
  };
}

/** Whether the part before the first slash is a registry, not the first folder of a Docker Hub name. */
function looksLikeHost(first: string): boolean {
  return first.includes('.') || first.includes(':') || first.toLowerCase() === 'localhost';
}

function qualified(text: string, host: string | undefined, path: string): Reference {
  if (host !== undefined) checkHost(text, host);
  checkPath(text, path);
  const named = host === undefined ? DOCKER_HUB : host.toLowerCase();
  const registry = named === 'index.docker.io' ? DOCKER_HUB : named;
  if (registry !== DOCKER_HUB) return { registry, repository: path };
  if (host === undefined && path.length === 64 && isHex(path)) {
    throw invalid(text, 'it is 64 hexadecimal digits, an image ID', `for a digest write NAME@sha256:${path}`);
  }
  return { registry, repository: path.includes('/') ? path : OFFICIAL + path };
}

function checkedDigest(text: string, digest: string): Digest {
  if (isDigest(digest)) return digest;
  throw invalid(
    text,
    'what follows the @ is no digest',
    'a digest is sha256: and 64 lower-case hexadecimal digits',
  );
}

function checkTag(text: string, tag: string): void {
  const legal = tag !== '' && tag.length <= TAG_LIMIT && tag[0] !== '.' && tag[0] !== '-';
  if (legal && every(tag, (code) => isWord(code) || code === DOT || code === DASH)) return;
  throw invalid(
    text,
    `the tag ${JSON.stringify(tag.slice(0, 40))} is not a legal one`,
    'a tag has letters, digits, "_", "." and "-", at most 128, and starts with none of the last two',
  );
}

/** `path := component ["/" component]*`, `component := alnum [separator alnum]*`, `separator := [._] | __ | -+`. */
function checkPath(text: string, path: string): void {
  if (path.length > REPOSITORY_LIMIT) throw invalid(text, `the name is longer than ${REPOSITORY_LIMIT}`);
  for (const component of path.split('/')) {
    if (component === '') throw invalid(text, 'a part of the name is empty');
    if (component.toLowerCase() !== component) {
      throw invalid(text, 'a repository name is in lower case', `write ${lowered(text, path)}`);
    }
    if (!isComponent(component)) {
      throw invalid(
        text,
        `${JSON.stringify(component.slice(0, 40))} is not a legal part of a name`,
        'a part has lower-case letters and digits, separated by single ".", "_", "__" or dashes',
      );
    }
  }
}

function lowered(text: string, path: string): string {
  return text.replace(path, path.toLowerCase());
}

function isComponent(component: string): boolean {
  let at = 0;
  for (;;) {
    const start = at;
    while (isLowerAlphanumeric(component.charCodeAt(at))) at++;
    if (at === start) return false;
    if (at === component.length) return true;
    const separator = component.charCodeAt(at++);
    if (separator === DASH) while (component.charCodeAt(at) === DASH) at++;
    else if (separator === UNDERSCORE) at += component.charCodeAt(at) === UNDERSCORE ? 1 : 0;
    else if (separator !== DOT) return false;
  }
}

/** A DNS name, an IPv4 address or an IPv6 address in brackets, with an optional port. */
function checkHost(text: string, host: string): void {
  const bracket = host.indexOf(']');
  const colon = host.indexOf(':', Math.max(bracket, 0));
  const name = colon < 0 ? host : host.slice(0, colon);
  const port = colon < 0 ? undefined : host.slice(colon + 1);
  const legalName = name.startsWith('[') ? isBracketedAddress(name) : name.split('.').every(isLabel);
  if (host.length <= HOST_LIMIT && legalName && (port === undefined || isPort(port))) return;
  throw invalid(text, `${JSON.stringify(host.slice(0, 60))} is not a registry's host, or host:port`);
}

function isBracketedAddress(name: string): boolean {
  const address = name.slice(1, -1);
  const legal = every(address, (code) => isHexDigit(code) || code === COLON || code === DOT);
  return name.endsWith(']') && legal && URL.canParse(`http://${name}/`);
}

function isLabel(label: string): boolean {
  const edges = label.charCodeAt(0) !== DASH && label.charCodeAt(label.length - 1) !== DASH;
  return label !== '' && edges && every(label, (code) => isAlphanumeric(code) || code === DASH);
}

function isPort(port: string): boolean {
  return port !== '' && port.length <= 5 && every(port, isDigit) && Number(port) <= 65_535;
}

/** Fully qualified: `docker.io/library/alpine:latest`, with the digest after the tag where there are both. */
export function formatReference(reference: Reference): string {
  return repositoryName(reference) + suffix(reference);
}

/** As Docker shows it: `alpine:latest`, `me/app:1`, `ghcr.io/me/app:1`. */
export function familiarReference(reference: Reference): string {
  return familiarName(reference) + suffix(reference);
}

function familiarName({ registry, repository }: Reference): string {
  if (registry !== DOCKER_HUB) return `${registry}/${repository}`;
  const [first = '', second, ...others] = repository.split('/');
  if (`${first}/` === OFFICIAL && second !== undefined && others.length === 0) return second;
  // `docker.io/a.b/c` must keep its host: without it, `a.b` would be the host.
  return looksLikeHost(first) ? `${registry}/${repository}` : repository;
}

/** Registry and repository, without tag and digest: `docker.io/library/alpine`. */
export function repositoryName({ registry, repository }: Reference): string {
  return `${registry}/${repository}`;
}

function suffix({ tag, digest }: Reference): string {
  return (tag === undefined ? '' : `:${tag}`) + (digest === undefined ? '' : `@${digest}`);
}

const DASH = 0x2d;
const DOT = 0x2e;
const COLON = 0x3a;
const UNDERSCORE = 0x5f;

const isDigit = (code: number) => code >= 0x30 && code <= 0x39;
const isLowerAlphanumeric = (code: number) => isDigit(code) || (code >= 0x61 && code <= 0x7a);
const isAlphanumeric = (code: number) => isLowerAlphanumeric(code) || (code >= 0x41 && code <= 0x5a);
const isWord = (code: number) => isAlphanumeric(code) || code === UNDERSCORE;
const isHexDigit = (code: number) => isDigit(code) || ((code | 0x20) >= 0x61 && (code | 0x20) <= 0x66);
const isHex = (text: string) => every(text, isHexDigit);

function every(text: string, legal: (code: number) => boolean): boolean {
  for (let at = 0; at < text.length; at++) if (!legal(text.charCodeAt(at))) return false;
  return true;
}

function invalid(text: string, why: string, hint?: string): OcislimError {
  const shown = text.length > 100 ? `${text.slice(0, 100)}…` : text;
  return new OcislimError(
    'OCISLIM_REFERENCE_INVALID',
    `not an image reference: ${JSON.stringify(shown)}: ${why}`,
    {
      hint,
    },
  );
}
